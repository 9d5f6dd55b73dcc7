// Asks Prometheus for what a panel's targets say, and gives Grafana's data frames as its Prometheus data source would.
// Variables stand at "All". Invariant: a query that fails throws; one without a result gives no frame.
import { FieldType, toDataFrame } from '@grafana/data';

const POINTS = 300;
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600];

export function timing(job) {
  const range = job.to - job.from;
  const step = STEPS_S.find((one) => one >= job.scrape && range / one <= POINTS) ?? 3600;
  return { range, step, rate: Math.max(step + job.scrape, 4 * job.scrape) };
}

export function substituted(text, job) {
  const { range, step, rate } = timing(job);
  const values = { __rate_interval: `${rate}s`, __interval: `${step}s`, __range: `${range}s` };
  return text.replace(/\$\{?(\w+)\}?/g, (_, name) => values[name] ?? '.+');
}

async function ask(path, parameters) {
  const answer = await fetch(`/prometheus/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const said = await answer.json();
  if (said.status !== 'success') throw new Error(`${said.error}: ${parameters.query}`);
  return said.data.result;
}

const number = (text) => Number(text.replace('Inf', 'Infinity'));
// Grafana's time series panel takes what is no finite number for a gap.
const drawable = (value) => (Number.isFinite(value) ? value : null);
const named = (legend, labels) => legend.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name) => labels[name] ?? '');

function seriesFrame(target, labels, samples) {
  const name = target.legendFormat ? named(target.legendFormat, labels) : JSON.stringify(labels);
  return toDataFrame({
    refId: target.refId,
    name,
    fields: [
      { name: 'Time', type: FieldType.time, config: {}, values: samples.map(([at]) => at * 1000) },
      { name: 'Value', type: FieldType.number, labels, config: { displayNameFromDS: name }, values: samples.map(([, value]) => drawable(number(value))) },
    ],
  });
}

function tableFrame(target, result, valueName) {
  const labels = [...new Set(result.flatMap((one) => Object.keys(one.metric)))].sort();
  return toDataFrame({
    refId: target.refId,
    fields: [
      { name: 'Time', type: FieldType.time, config: {}, values: result.map((one) => one.value[0] * 1000) },
      ...labels.map((label) => ({ name: label, type: FieldType.string, config: {}, values: result.map((one) => one.metric[label] ?? '') })),
      { name: valueName, type: FieldType.number, config: {}, values: result.map((one) => number(one.value[1])) },
    ],
  });
}

async function targetFrames(target, panel, job) {
  const query = substituted(target.expr, job);
  if (target.instant) {
    const result = await ask('query', { query, time: job.to });
    if (target.format !== 'table') return result.map((one) => seriesFrame(target, one.metric, [one.value]));
    return result.length ? [tableFrame(target, result, panel.targets.length > 1 ? `Value #${target.refId}` : 'Value')] : [];
  }
  const result = await ask('query_range', { query, start: job.from, end: job.to, step: timing(job).step });
  return result.map((one) => seriesFrame(target, one.metric, filled(one.values, job)));
}

// Grafana draws a gap where a sample is missing; the frame must have a null there for that.
function filled(samples, job) {
  const { step } = timing(job);
  const out = [];
  for (const [at, value] of samples) {
    const last = out.at(-1);
    if (last && at - last[0] > 1.5 * step) out.push([last[0] + step, 'NaN']);
    out.push([at, value]);
  }
  return out;
}

export async function frames(panel, job) {
  return (await Promise.all(panel.targets.map((target) => targetFrames(target, panel, job)))).flat();
}

export async function changePoints(dashboard, job) {
  const found = [];
  for (const one of dashboard.annotations.list) {
    for (const { value } of await ask('query', { query: substituted(one.expr, job), time: job.to })) found.push(number(value[1]));
  }
  return found.filter((at) => at >= job.from * 1000 && at <= job.to * 1000);
}
