{{- define "aiwriter.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "aiwriter.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "aiwriter.labels" -}}
app.kubernetes.io/name: aiwriter
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "aiwriter.allLabels" -}}
{{ include "aiwriter.labels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end -}}

{{- define "aiwriter.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "aiwriter.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* Variables: the plain ones from the ConfigMap, secrets as files where a file is enough. */}}
{{- define "aiwriter.env" -}}
envFrom:
  - configMapRef: {name: {{ include "aiwriter.name" . }}}
env:
  {{- if ne .Values.profile "small" }}
  - {name: DATABASE_URL_FILE, value: /run/secrets/aiwriter/database_url}
  - {name: REDIS_URL_FILE, value: /run/secrets/aiwriter/redis_url}
  {{- end }}
  - {name: AIWRITER_SECRET_KEY_FILE, value: /run/secrets/aiwriter/secret_key}
  {{- if .Values.secrets.email }}
  - {name: EMAIL_URL_FILE, value: /run/secrets/aiwriter/email_url}
  {{- end }}
  {{- if .Values.secrets.keyring }}
  - {name: AIWRITER_KEYRING, value: /run/secrets/aiwriter/keyring}
  {{- end }}
{{- end -}}

{{- define "aiwriter.mounts" -}}
- {name: data, mountPath: /data}
- {name: tmp, mountPath: /tmp}
- {name: secrets, mountPath: /run/secrets/aiwriter, readOnly: true}
{{- if ne .Values.profile "small" }}
{{- range $folder := list "keys" "secrets" "files" "backups" "audit" }}
- {name: shared, mountPath: /data/{{ $folder }}, subPath: {{ $folder }}}
{{- end }}
{{- end }}
{{- end -}}

{{- define "aiwriter.volumes" -}}
- {name: tmp, emptyDir: {sizeLimit: 1Gi}}
- name: secrets
  secret: {secretName: {{ .Values.secrets.existingSecret }}, defaultMode: 288}
{{- if ne .Values.profile "small" }}
- {name: data, emptyDir: {sizeLimit: 4Gi}}
- name: shared
  persistentVolumeClaim: {claimName: {{ .Values.data.existingClaim | default (printf "%s-shared" (include "aiwriter.name" .)) }}}
{{- end }}
{{- end -}}

{{/* With the agent, versions are its affair: an upgrade of the chart keeps the image that a Deployment has. Without a cluster
     (helm template) nothing is found, and the values count. Arguments: root, name, part. */}}
{{- define "aiwriter.liveImage" -}}
{{- if .root.Values.agent.enabled -}}
{{- $live := lookup "apps/v1" "Deployment" .root.Release.Namespace .name -}}
{{- if $live -}}
{{- $part := .part -}}
{{- range $live.spec.template.spec.containers -}}
{{- if eq .name $part -}}{{ .image }}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* How many replicas a slot has: with the agent as many as now; at first none beside the slot that serves. Arguments: root, slot, count. */}}
{{- define "aiwriter.slotReplicas" -}}
{{- $live := lookup "apps/v1" "Deployment" .root.Release.Namespace (printf "%s-web-%s" (include "aiwriter.name" .root) .slot) -}}
{{- if $live -}}{{ $live.spec.replicas }}{{- else -}}{{ ternary .count 0 (eq .slot .root.Values.web.active) }}{{- end -}}
{{- end -}}

{{/* The pod of a job: root, args. */}}
{{- define "aiwriter.jobPod" -}}
{{- $root := .root -}}
metadata:
  labels: {{- include "aiwriter.allLabels" (dict "root" $root "part" "migrate") | nindent 4 }}
spec:
  restartPolicy: Never
  serviceAccountName: {{ include "aiwriter.name" $root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext:
    {{- include "aiwriter.podSecurity" $root | nindent 4 }}
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  containers:
    - name: migrate
      image: {{ include "aiwriter.image" $root }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: {{ toJson .args }}
      securityContext:
        {{- include "aiwriter.containerSecurity" $root | nindent 8 }}
      {{- include "aiwriter.env" $root | nindent 6 }}
      resources: {{- toYaml $root.Values.migrate.resources | nindent 8 }}
      volumeMounts:
        {{- include "aiwriter.mounts" $root | nindent 8 }}
  volumes:
    {{- include "aiwriter.volumes" $root | nindent 4 }}
{{- end -}}

{{/* The pod of a part: root, part, image, resources, ports, probes (each optional), grace, sidecar. */}}
{{- define "aiwriter.pod" -}}
{{- $root := .root -}}
{{- $name := printf "%s-%s" (include "aiwriter.name" $root) (ternary (printf "web-%s" .slot) .part (not (empty .slot))) -}}
{{- $image := include "aiwriter.liveImage" (dict "root" $root "name" $name "part" .part) | default .image | default (include "aiwriter.image" $root) -}}
metadata:
  labels:
    {{- include "aiwriter.allLabels" . | nindent 4 }}
    {{- with .slot }}
    aiwriter/slot: {{ . }}
    {{- end }}
  annotations:
    checksum/config: {{ include (print $root.Template.BasePath "/configmap.yaml") $root | sha256sum }}
spec:
  serviceAccountName: {{ include "aiwriter.name" $root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .grace | default 30 }}
  securityContext:
    {{- include "aiwriter.podSecurity" $root | nindent 4 }}
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with $root.Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .spread }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "aiwriter.labels" . | nindent 10 }}
    {{- if $root.Values.spread.zones }}
    - maxSkew: 1
      topologyKey: topology.kubernetes.io/zone
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "aiwriter.labels" . | nindent 10 }}
    {{- end }}
  {{- end }}
  containers:
    - name: {{ .part }}
      image: {{ $image }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [{{ .command | default .part }}]
      securityContext:
        {{- include "aiwriter.containerSecurity" $root | nindent 8 }}
      {{- include "aiwriter.env" $root | nindent 6 }}
      {{- with .ports }}
      ports:
        {{- range $name, $port := . }}
        - {name: {{ $name }}, containerPort: {{ $port }}}
        {{- end }}
      {{- end }}
      {{- with .lifecycle }}
      lifecycle: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .probes }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      resources: {{- toYaml .resources | nindent 8 }}
      volumeMounts:
        {{- include "aiwriter.mounts" $root | nindent 8 }}
    {{- if .sidecar }}
    - name: healthd
      image: {{ $image }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [healthd]
      securityContext:
        {{- include "aiwriter.containerSecurity" $root | nindent 8 }}
      {{- include "aiwriter.env" $root | nindent 6 }}
      ports:
        - {name: health, containerPort: 9301}
      livenessProbe:
        httpGet: {path: /livez, port: health}
        periodSeconds: 10
      resources:
        requests: {cpu: 10m, memory: 48Mi}
        limits: {memory: 128Mi}
      volumeMounts:
        {{- include "aiwriter.mounts" $root | nindent 8 }}
    {{- end }}
  volumes:
    {{- include "aiwriter.volumes" $root | nindent 4 }}
{{- end -}}
