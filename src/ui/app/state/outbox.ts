// What was said and is not there yet. Kept over reloads with the id that makes sending it twice the same as once, and
// can be taken back until it is there.

import { effect, signal } from '@preact/signals'
import { Failure, call, pause, uuid } from '../api'
import type { Decide, Winner } from '../types'
import { forgetBlob, forgetBlobs, sweepBlobs } from './blobs'
import { attached, inline, stop, store, type Picked } from './files'
import { kept, revise } from './kept'
import { me } from './me'

interface Kept {
  id: string
  session: string
  /** Whose it is: on a shared device it must not go out as somebody else's. */
  owner: string
  at: string
  failed?: string
  /** It is durable there; kept until the conversation shows it. */
  done?: boolean
}

export interface SaidLater extends Kept {
  kind: 'message'
  text: string
  files?: Picked[]
  /** Its files go within it, as blocks: the agent cannot fetch them. */
  inline?: boolean
}

export interface DecidedLater extends Kept {
  kind: 'decision'
  request: string
  body: Decide
  /** Somebody else was first. */
  winner?: Winner
}

export type Later = SaidLater | DecidedLater

export const outbox = kept<Later[]>('outbox', [])
/** Why nothing goes out at the moment. */
export const stuck = signal(false)

const owner = () => me.value?.owner_id ?? ''
const forever = new AbortController().signal

function change(id: string, to: (item: Later) => Later | null): void {
  revise(outbox, (items) =>
    items.flatMap((item) => {
      if (item.id !== id) return [item]
      const next = to(item)
      return next ? [next] : []
    }),
  )
}

export function say(session: string, text: string, files: Picked[] = [], isInline = false): void {
  const item: SaidLater = { kind: 'message', id: uuid(), owner: owner(), session, text, at: new Date().toISOString() }
  const whole = { ...item, ...(files.length > 0 ? { files } : {}), ...(isInline ? { inline: true } : {}) }
  revise(outbox, (items) => [...items, whole])
  void drain()
}

export function decide(session: string, request: string, body: Decide): void {
  const item: DecidedLater = { kind: 'decision', id: uuid(), owner: owner(), session, request, body, at: new Date().toISOString() }
  revise(outbox, (items) => [...items.filter((one) => !(one.kind === 'decision' && one.session === session && one.request === request)), item])
  void drain()
}

/** Requests that have no answer yet, and messages whose last request never got one: these may be there all the same. */
const asking = new Set<string>()
const unanswered = new Set<string>()
/** Taken back while they were asked for. */
const takenBack = new Set<string>()

/** Takes something back, also where it has arrived and only its answer has not. */
export function takeBack(id: string): void {
  const item = outbox.value.find((one) => one.id === id)
  drop(id)
  if (asking.has(id)) takenBack.add(id)
  else if (item && unanswered.delete(id)) void withdraw(item)
}

/** Takes back there what was taken back here too late. That the agent has it already is shown by the conversation. */
async function withdraw(item: Later): Promise<void> {
  if (item.kind !== 'message') return
  for (let attempt = 0; item.owner === owner(); attempt++) {
    try {
      return await call('DELETE', `/sessions/${item.session}/messages/${item.id}`)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      if (!error.isPassing) return
    }
    await pause(attempt, forever)
  }
}

/** What is over, as long as somebody else may still write that it is not: two tabs change the list at the same moment. */
const over = new Set<string>()
const OVER_MAX = 256

function end(id: string): void {
  over.add(id)
  for (const oldest of over) {
    if (over.size <= OVER_MAX) break
    over.delete(oldest)
  }
}

effect(() => {
  const back = outbox.value.filter((item) => over.has(item.id))
  if (back.length > 0) queueMicrotask(() => back.forEach((item) => drop(item.id)))
})

/** Lets go of something, and of the files that go with it. */
export function drop(id: string): void {
  end(id)
  change(id, (item) => {
    if (item.kind === 'message') {
      for (const file of item.files ?? []) {
        stop(file.id)
        void forgetBlob(file.id)
      }
    }
    return null
  })
}

/** Whoever leaves leaves nothing behind. */
export async function forgetOutbox(): Promise<void> {
  outbox.value.forEach((item) => item.kind === 'message' && item.files?.forEach((file) => stop(file.id)))
  outbox.value = []
  attached.value = {}
  await forgetBlobs()
}

// Durable there when an earlier page was closed, which waited to see it in its session. It may be many pages up by now.
revise(outbox, (items) => (items.some((item) => item.done) ? items.filter((item) => !item.done) : items))

void sweepBlobs(new Set([
  ...outbox.peek().flatMap((item) => (item.kind === 'message' ? (item.files ?? []) : [])),
  ...Object.values(attached.peek()).flat(),
].map((file) => file.id)))

export function retry(id: string): void {
  change(id, (item) => {
    const { failed: _, ...rest } = item
    return rest as Later
  })
  void drain()
}

/** The conversation shows it: what was kept of it may go. */
export function arrived(id: string): void {
  end(id)
  if (outbox.value.some((item) => item.id === id)) drop(id)
}

export function settled(session: string, request: string): void {
  for (const item of outbox.value) {
    if (item.kind === 'decision' && item.session === session && item.request === request) drop(item.id)
  }
}

async function send(item: Later): Promise<void> {
  const session = `/sessions/${item.session}`
  if (item.kind === 'decision') {
    const path = `${session}/permissions/${encodeURIComponent(item.request)}`
    await call('POST', path, item.body, { once: item.id })
    return
  }
  const files = item.files ?? []
  const said = { content: item.text || files.map((file) => file.name).join(', '), message_id: item.id }
  if (files.length === 0) await call('POST', `${session}/messages`, said, { once: item.id })
  else if (item.inline) {
    const blocks = await Promise.all(files.map(inline))
    const content = [...(item.text ? [{ type: 'text', text: item.text }] : []), ...blocks]
    await call('POST', `${session}/messages`, { ...said, content }, { once: item.id })
  } else {
    const stored: { file_uuid: string; file_name: string }[] = []
    for (const file of files) {
      // Taken back while the one before was on its way.
      if (!outbox.value.some((one) => one.id === item.id)) return
      const uuid = file.stored ?? (await store(item.session, file))
      change(item.id, (one) => one.kind === 'message' ? { ...one, files: one.files?.map((other) => (other.id === file.id ? { ...other, stored: uuid } : other)) ?? [] } : one)
      stored.push({ file_uuid: uuid, file_name: file.name })
    }
    if (!outbox.value.some((one) => one.id === item.id)) return
    await call('POST', `${session}/messages`, { ...said, file_attachments: stored }, { once: item.id })
  }
}

const draining = { message: false, decision: false }

/** Sends what waits. A decision does not wait behind a picture that takes its time. */
export async function drain(): Promise<void> {
  await Promise.all([drainKind('decision'), drainKind('message')])
}

/** In order. A message that the server refuses does not hold up the ones behind it. */
async function drainKind(kind: Later['kind']): Promise<void> {
  if (draining[kind]) return
  draining[kind] = true
  try {
    for (let attempt = 0; ; ) {
      const next = outbox.value.find((item) => item.kind === kind && !item.failed && !item.done && item.owner === owner())
      if (!next) return
      asking.add(next.id)
      unanswered.delete(next.id)
      try {
        await send(next)
        attempt = 0
        stuck.value = false
        change(next.id, (item) => ({ ...item, done: true }))
        // Where the session is not open nobody waits to see it.
        setTimeout(() => arrived(next.id), 60_000)
        asking.delete(next.id)
        if (takenBack.delete(next.id)) void withdraw(next)
      } catch (error) {
        asking.delete(next.id)
        if (!(error instanceof Failure)) throw error
        const mayBeThere = error.isPassing && navigator.onLine
        if (takenBack.delete(next.id) && mayBeThere) void withdraw(next)
        // Taken back meanwhile.
        if (!outbox.value.some((item) => item.id === next.id)) continue
        if (mayBeThere) unanswered.add(next.id)
        if (error.isPassing || error.status === 401) {
          stuck.value = true
          await pause(attempt++, forever)
        } else {
          change(next.id, (item) => {
            const winner = error.problem?.winner
            const failed = { ...item, failed: error.message }
            return item.kind === 'decision' && winner ? { ...failed, winner } : failed
          })
        }
      }
    }
  } finally {
    draining[kind] = false
    if (!draining.message && !draining.decision) stuck.value = false
  }
}

addEventListener('online', () => void drain())
