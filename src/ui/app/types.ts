// What /api/v1 says, as far as the app reads it. The description is schema/openapi.json.

export type SessionStatus = 'archived' | 'waiting' | 'offline' | 'working' | 'idle'

export interface Session {
  id: string
  title: string | null
  status: SessionStatus
  environment_id: string | null
  source: string
  created_at: string
  active_at: string
  archived_at: string | null
  pinned: boolean
  directory?: string
  mode: string | null
  model: string | null
  worker: { online: boolean; epoch: number; changed_at: string | null }
  latest: number
  permissions_open: number
  queued: number
}

export interface Environment {
  id: string
  status: 'online' | 'offline' | 'deregistered'
  machine_name: string
  directory: string
  branch: string | null
  git_repo_url: string | null
  max_sessions: number
  worker_type: string
  registered_at: string
  changed_at: string
  work_queued: number
  work_parked: number
}

export interface Choice {
  id: string
  name?: string
  description?: string
}

export interface Offers {
  spawn: 'single' | 'several' | 'shared'
  closed?: 'taken' | 'full' | 'deregistered'
  free?: number
  any_directory: boolean
  directories: string[]
  modes: Choice[]
  models: Choice[]
  any_model: boolean
  agent?: string
}

export interface Hit {
  session_id: string
  title: string | null
  archived: boolean
  sequence: number | null
  at: string
  from: 'title' | 'person' | 'agent' | 'tool'
  snippet: string
  marks: [number, number][]
}

export interface HitPage {
  hits: Hit[]
  next?: string
  sessions_left: number
  back_to?: string
}

export interface Overview {
  whole: boolean
  sessions: Session[]
  environments?: Environment[]
  now: string
}

export interface Author {
  type: 'key' | 'worker' | 'environment' | 'system' | 'anonymous' | 'woken' | 'device'
  id?: string
}

export interface LogEvent {
  sequence: number
  at: string
  kind: string
  by: Author
  data: Record<string, unknown>
  payload: unknown
}

export interface EventPage {
  events: LogEvent[]
  next: number
  latest: number
  earliest: number
  epoch: string
}

export interface Gap {
  kind: 'gap'
  earliest: number
  latest: number
  epoch: string
  detail: string
}

export interface Winner {
  verdict: 'allow' | 'deny'
  by: Author
  at: string
  message?: string
}

export interface Permission {
  session_id: string
  session_title: string | null
  request_id: string
  state: 'open' | 'decided' | 'cancelled'
  tool: string
  subject: string | null
  asked_at: string
  sequence: number
  decision?: Winner
  payload: unknown
}

export interface Decide {
  decision: 'allow' | 'deny'
  scope?: 'once' | 'session'
  message?: string
  updated_permissions?: unknown[]
  answers?: Record<string, string | string[]>
}

export interface Device {
  id: string
  name: string
  key_id: string
  signed_in_at: string
  used_at: string
  signed_out_at: string | null
  current: boolean
}

export interface Me {
  key_id: string
  key_name: string
  owner_id: string
  role: 'viewer' | 'runner' | 'member' | 'admin'
  device: Device | null
}

export interface Problem {
  type: string
  title: string
  status: number
  detail: string
  winner?: Winner
  earliest?: number
  latest?: number
  epoch?: string
  retry_after?: number
}

export interface Page<T> {
  items: T[]
  next?: string
}

export interface WorkItem {
  id: string
  session_id: string
  stage: 'queued' | 'leased' | 'acked' | 'parked'
  queued_at: string
  attempts: number
  since?: string
}

export interface EnvironmentDetail extends Environment {
  work: WorkItem[]
}

export interface Key {
  id: string
  owner_id: string
  name: string
  role: Me['role']
  configured: boolean
  created_at: string
  expires_at: string | null
  revoked_at: string | null
  used_at: string | null
}

export interface ServerStatus {
  version: string
  epoch: string
  tail: number
  now: string
  queue_depth: number
  streams_followed: number
  counts: { sessions: number; sessions_archived: number }
  storage?: {
    file_bytes?: number
    free_bytes?: number
    oldest_at?: string
    streams: number
    subscriptions: number
    kept: { archived_seconds?: number; age_seconds?: number; events?: number; streams_seconds?: number }
    commit_times?: { commits: number; median_micros: number; slow_micros: number; slowest_micros: number }
    last_backup?: { at: string; bytes: number }
  }
}

export interface Commit {
  first: number
  last: number
  at: string
  link: string
}

export interface Verification {
  clean: boolean
  records: number
  commits: number
  trimmed: number
  head: string
  fault?: { position: number; reason: string }
}

export interface AuditRecord {
  position: number
  stream: string
  sequence: number
  at: string
  kind: string
  by: Author
  data: Record<string, unknown>
  payload_bytes: number
}

export interface AuditPage {
  records: AuditRecord[]
  next: number
  previous?: number
  tail: number
}

export interface Subscription {
  id: string
  owner_id: string
  name: string
  delivery: { type: 'webhook'; host: string } | { type: 'pull_wake'; stream: string }
  pattern: string | null
  created_at: string
  streams: number
  streams_pending: number
  state: 'idle' | 'issued' | 'delivered' | 'claimed'
  generation: number
  failures: number
  retry_at: string | null
}

export interface Target {
  id: string
  kind: 'web_push' | 'webhook' | 'ntfy'
  name: string
  host: string
  device_id: string | null
  current: boolean
  turns: boolean
  answers: boolean
  configured: boolean
  added_at: string
  told_at: string | null
  failing_since: string | null
  failing: string | null
}
