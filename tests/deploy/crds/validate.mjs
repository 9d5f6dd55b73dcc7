// Judges resources of the Prometheus operator by the schemas of its CRDs. stdin: a JSON list of resources; stdout: a JSON
// list with "" for each that is good, else what is wrong with it.
import * as operator from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);

const verdict = (resource) => {
  const kind = operator[resource.kind];
  if (!kind) return `no schema for ${resource.kind}`;
  try {
    new kind(resource).validate();
    return "";
  } catch (error) {
    return String(error.message);
  }
};

process.stdout.write(JSON.stringify(JSON.parse(Buffer.concat(chunks)).map(verdict)));
