// What agents behind acp-link say, in the words of the conversation. Their frames are kept as they came, like everybody's.

import { list, record, text, type Raw } from './parts'

export interface Change {
  path: string
  before: string
  after: string
}

export interface Call {
  id: string
  /** Its kind: execute, edit, read, … */
  name: string
  title: string
  input: Raw
  changes: Change[]
  /** What it printed, or what is said about it. */
  words: string
  state: 'running' | 'done' | 'failed'
  /** The files that it is about. */
  paths: string[]
}

/** The call whose sub-agent it is of. The protocol has no field for it; agents that have one say it beside. */
interface Within {
  parent?: string
}

export type Step =
  | ({ step: 'chunk'; kind: 'words' | 'thinking'; text: string } & Within)
  | ({ step: 'user'; text: string } & Within)
  | ({ step: 'call'; call: Partial<Call> & { id: string } } & Within)
  | ({ step: 'tasks'; tasks: Raw[] } & Within)
  | { step: 'end'; error: string }

/** A tool call, as far as this frame says what it is: later frames say only what changed. */
export function callOf(raw: Raw): Partial<Call> & { id: string } {
  const content = list(raw.content)
  const changes = content
    .filter((part) => part.type === 'diff')
    .map((part) => ({ path: text(part.path), before: text(part.oldText), after: text(part.newText) }))
  const said = content.map((part) => text(record(part.content).text)).filter(Boolean).join('\n')
  const words = said || text(raw.rawOutput)
  const status = text(raw.status)
  const paths = list(raw.locations).map((place) => text(place.path)).filter(Boolean)
  return {
    id: text(raw.toolCallId),
    ...(text(raw.kind) ? { name: text(raw.kind) } : {}),
    ...(text(raw.title) ? { title: text(raw.title) } : {}),
    ...(raw.rawInput === undefined ? {} : { input: record(raw.rawInput) }),
    ...(changes.length > 0 ? { changes } : {}),
    ...(words ? { words } : {}),
    ...(paths.length > 0 ? { paths } : {}),
    ...(status === 'completed' ? { state: 'done' } : status === 'failed' ? { state: 'failed' } : {}),
  }
}

/** What a frame means for the conversation; nothing for those that it has no place for, or that are not of this kind. */
export function stepOf(frame: Raw): Step | null {
  const payload = record(frame.payload)
  if (frame.type === 'prompt_complete') return { step: 'end', error: '' }
  if (frame.type === 'error') return { step: 'end', error: text(payload.message) }
  if (frame.type !== 'session_update') return null
  const update = record(payload.update)
  const words = text(record(update.content).text)
  const parent = text(record(record(update._meta).claudeCode).parentToolUseId)
  const step = ownStep(update, words)
  return step && step.step !== 'end' && parent ? { ...step, parent } : step
}

function ownStep(update: Raw, words: string): Step | null {
  switch (update.sessionUpdate) {
    case 'agent_message_chunk':
      return { step: 'chunk', kind: 'words', text: words }
    case 'agent_thought_chunk':
      return { step: 'chunk', kind: 'thinking', text: words }
    case 'user_message_chunk':
      return { step: 'user', text: words }
    case 'tool_call':
    case 'tool_call_update':
      return { step: 'call', call: callOf(update) }
    case 'plan':
      return { step: 'tasks', tasks: list(update.entries) }
    default:
      return null
  }
}

/** Whether a frame is one of theirs at all. */
export function isTheirs(frame: Raw): boolean {
  return 'payload' in frame && ['session_update', 'prompt_complete', 'error', 'permission_request'].includes(text(frame.type))
}

export function askOf(frame: Raw): (Partial<Call> & { id: string }) | null {
  return frame.type === 'permission_request' ? callOf(record(record(frame.payload).toolCall)) : null
}
