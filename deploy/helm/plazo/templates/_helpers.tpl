{{- define "plazo.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end }}
{{- end }}

{{- define "plazo.selector" -}}
app.kubernetes.io/name: plazo
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "plazo.labels" -}}
{{ include "plazo.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "plazo.image" -}}
{{- $tag := .Values.image.tag -}}
{{- if and (not $tag) (not (contains "@" .Values.image.repository)) }}{{ $tag = .Chart.AppVersion }}{{ end -}}
{{ .Values.image.repository }}{{ with $tag }}:{{ . }}{{ end }}
{{- end }}

{{/* The job's annotations: before the workers, in the order of the weight, anew each time. */}}
{{- define "plazo.hook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation
{{- end }}

{{/* All that pods have in common, as the restricted security standard wants it. */}}
{{- define "plazo.pod" -}}
automountServiceAccountToken: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "plazo.container" -}}
image: {{ include "plazo.image" . }}
{{- with .Values.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
envFrom: [{configMapRef: {name: {{ .Values.configMap }}, optional: true}}]
env:
  - {name: PLAZO_SECRETS_DIR, value: /run/secrets/plazo}
{{- range $name, $value := .Values.settings }}
  - {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* The pod of a job: (dict "root" $ "name" … "args" … "secret" …). */}}
{{- define "plazo.job" -}}
metadata:
  labels: {{- include "plazo.selector" .root | nindent 4 }}
spec:
  restartPolicy: OnFailure
  {{- include "plazo.pod" .root | nindent 2 }}
  containers:
    - name: {{ .name }}
      {{- include "plazo.container" .root | nindent 6 }}
      args: {{ toJson .args }}
      resources: {{- toYaml .root.Values.jobs.resources | nindent 8 }}
      volumeMounts: [{name: secrets, mountPath: /run/secrets/plazo, readOnly: true}]
  volumes: [{name: secrets, secret: {secretName: {{ .secret }}}}]
{{- end }}
