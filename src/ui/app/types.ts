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
  worker_type: string
  changed_at: string
  work_queued: number
  work_parked: number
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
