{{- define "paramwall.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "paramwall.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "paramwall.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "paramwall.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "paramwall.selector" -}}
app.kubernetes.io/name: {{ include "paramwall.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "paramwall.labels" -}}
{{ include "paramwall.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "paramwall.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "paramwall.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "paramwall.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* What SIGKILL waits for: the sleep before SIGTERM, the drain, the scorer's ten seconds, and a reserve. */ -}}
{{- define "paramwall.terminationSeconds" -}}
{{- add (int .Values.drain.preStopSeconds) (int .Values.drain.timeoutSeconds) 10 20 -}}
{{- end -}}

{{- /* The file the proxy reads. What the pod itself fixes may not be said twice. */ -}}
{{- define "paramwall.config" -}}
{{- range $key, $instead := dict "listen" "ports.proxy" "admin" "ports.admin" "drain" "drain" "state_dir" "persistence" -}}
{{- if hasKey $.Values.config $key -}}
{{- fail (printf "config.%s is set, but the chart decides it: use the value `%s` instead" $key $instead) -}}
{{- end -}}
{{- end -}}
{{- range $name := keys (include "paramwall.labels" . | fromYaml) | sortAlpha -}}
{{- if hasKey $.Values.podLabels $name -}}
{{- fail (printf "podLabels has %s, which is one of the chart's own labels: take another name" $name) -}}
{{- end -}}
{{- end -}}
{{- if eq (int .Values.ports.proxy) (int .Values.ports.admin) -}}
{{- fail (printf "ports.proxy and ports.admin are both %d: clients must not reach the admin port, so take two numbers" (int .Values.ports.proxy)) -}}
{{- end -}}
{{- if not (kindIs "slice" .Values.config.vendors) -}}
{{- fail "config.vendors must be a list whose entries have a name: Helm sorts and merges mappings, and the first vendor is the one that answers /v1" -}}
{{- end -}}
{{- range .Values.config.vendors -}}
{{- if and (or .api_key_file .api_key_env) (ne (default "held" .credentials) "pass") (not $.Values.config.clients) -}}
{{- fail (printf "config.vendors: everyone who reaches the service could use the key of %s: add config.clients" .name) -}}
{{- end -}}
{{- end -}}
{{- $drain := dict "timeout" (printf "%ds" (int .Values.drain.timeoutSeconds)) "grace" (printf "%ds" (int .Values.drain.graceSeconds)) -}}
{{- toYaml (merge (dict "drain" $drain) .Values.config) -}}
{{- end -}}

{{- define "paramwall.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "paramwall.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}
