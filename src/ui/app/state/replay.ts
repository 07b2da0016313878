// A session as it was: any moment of its log, folded anew from pages that are read by offset.
//
// A moment is drawn from the events shortly before it, so that it takes the same time at the end of a long log as at its
// beginning. What those events cannot tell (the mode, the open questions, the tasks) comes from checkpoints: for every
// page, the few events before it that still mattered at its beginning. They are made once, in the background.

import { signal, type Signal } from '@preact/signals'
import { Failure, call } from '../api'
import type { EventPage, LogEvent } from '../types'
import { Conversation } from './fold'
import { contentText, record } from './parts'

/** Events of a page. */
const PAGE = 250
/** Pages that are held: 24,000 events, and at most 96 MB of the largest that the server gives. */
const HELD_MAX = 96
/** Events before a moment that are drawn, at least. */
const WINDOW = 160
/** How long a drag rests before it is over. */
const RESTING_MS = 150
/** Pages that the background reads: of a log that is longer, the last quarter of a million events. */
const SCANNED_MAX = 1_000
/** Open questions that a checkpoint carries. */
const OPEN_MAX = 50

export type Mark = 'prompt' | 'decision'

const MARKS: Record<string, Mark> = { message_posted: 'prompt', permission_decided: 'decision', permission_requested: 'decision', permission_cancelled: 'decision' }

export function markOf(event: LogEvent): Mark | null {
  if (event.kind === 'message_received' && event.data.kind === 'user') {
    const payload = record(event.payload)
    const words = contentText(record(payload.message).content)
    // What the worker repeats was posted before, and what begins like these nobody said.
    const isOwn = payload.isReplay === true || Boolean(payload.parent_tool_use_id) || /^(<|\[Request interrupted)/.test(words)
    return words && !isOwn ? 'prompt' : null
  }
  return MARKS[event.kind] ?? null
}

/** What mattered before a page: one event of each kind that a later one replaces, and the questions that are open. */
interface Checkpoint {
  latest: Map<string, LogEvent>
  open: Map<string, LogEvent>
}

const REPLACED = new Set(['mode_confirmed', 'model_confirmed', 'session_renamed', 'session_archived', 'session_bound'])

function carry(before: Checkpoint, events: readonly LogEvent[]): Checkpoint {
  const latest = new Map(before.latest)
  const open = new Map(before.open)
  for (const event of events) {
    if (REPLACED.has(event.kind)) latest.set(event.kind, event)
    else if (event.kind === 'message_received' && event.data.kind === 'tasks') latest.set('tasks', event)
    else if (event.kind === 'permission_requested') open.set(String(event.data.request), event)
    else if (event.kind === 'permission_decided' || event.kind === 'permission_cancelled') open.delete(String(event.data.request))
  }
  for (const request of [...open.keys()].slice(0, Math.max(0, open.size - OPEN_MAX))) open.delete(request)
  return { latest, open }
}

export class Replay {
  readonly conversation: Signal<Conversation> = signal(new Conversation())
  readonly state = signal<'loading' | 'ready' | 'empty' | 'missing' | 'lost'>('loading')
  /** The moment that is asked for, and the one that is shown. */
  readonly wanted = signal(0)
  readonly shown = signal<LogEvent | null>(null)
  readonly earliest = signal(1)
  readonly latest = signal(0)
  /** How much of the log the checkpoints know, from 0 to 1. */
  readonly scanned = signal(0)
  /** Somebody drags: what is drawn may be less than when they look. */
  readonly isMoving = signal(false)
  readonly isPlaying = signal(false)
  readonly speed = signal(4)

  private epoch = ''
  private readonly pages = new Map<number, LogEvent[]>()
  private readonly loading = new Map<number, Promise<LogEvent[]>>()
  private readonly checkpoints = new Map<number, Checkpoint>()
  private readonly ended = new AbortController()
  private frame = 0
  private timer: ReturnType<typeof setTimeout> | undefined
  private resting: ReturnType<typeof setTimeout> | undefined

  constructor(readonly id: string, private readonly at: number | null) {
    this.begin()
  }

  private begin(): void {
    void this.attempt(async () => {
      const tail = await call<EventPage>('GET', `/sessions/${this.id}/events?after=latest&limit=1`, undefined, { signal: this.ended.signal })
      this.epoch = tail.epoch
      this.earliest.value = tail.earliest
      this.latest.value = tail.latest
      if (tail.latest < tail.earliest) {
        this.state.value = 'empty'
        return
      }
      this.wanted.value = this.clamp(this.at ?? tail.latest)
      await this.show()
      this.state.value = 'ready'
      await this.scan()
    })
  }

  end(): void {
    this.pause()
    clearTimeout(this.resting)
    cancelAnimationFrame(this.frame)
    this.ended.abort()
  }

  private async attempt(what: () => Promise<void>): Promise<void> {
    try {
      await what()
    } catch (error) {
      if (this.ended.signal.aborted) return
      if (!(error instanceof Failure)) throw error
      if (error.kind === 'gap' && error.problem?.earliest) this.earliest.value = error.problem.earliest
      this.state.value = error.status === 404 || error.status === 403 ? 'missing' : 'lost'
    }
  }

  private clamp(sequence: number): number {
    return Math.min(this.latest.value, Math.max(this.earliest.value, Math.round(sequence)))
  }

  /** As `seek`, for one of many in a row. */
  drag(sequence: number): void {
    this.pause()
    this.isMoving.value = true
    clearTimeout(this.resting)
    this.resting = setTimeout(() => (this.isMoving.value = false), RESTING_MS)
    this.seek(sequence)
  }

  /** Moves to a moment. Many of them within one frame are one. */
  seek(sequence: number): void {
    this.wanted.value = this.clamp(sequence)
    if (this.frame) return
    this.frame = requestAnimationFrame(() => {
      this.frame = 0
      void this.attempt(() => this.show())
    })
  }

  /** Goes on from where the way there was cut, which may have been before anything was known. */
  retry(): void {
    if (this.latest.value === 0) {
      this.state.value = 'loading'
      return this.begin()
    }
    this.state.value = 'ready'
    this.seek(this.wanted.value)
    if (this.scanned.value < 1) void this.attempt(() => this.scan())
  }

  private pageOf(sequence: number): number {
    return Math.floor((sequence - 1) / PAGE)
  }

  /** A page, whatever number of answers it takes: large events make short ones. */
  private load(page: number): Promise<LogEvent[]> | LogEvent[] {
    const held = this.pages.get(page)
    if (held) {
      this.pages.delete(page)
      this.pages.set(page, held)
      return held
    }
    const underWay = this.loading.get(page)
    if (underWay) return underWay
    const reading = (async () => {
      const events: LogEvent[] = []
      const end = Math.min(this.latest.value, (page + 1) * PAGE)
      for (let after = Math.max(this.earliest.value - 1, page * PAGE); after < end; ) {
        const path = `/sessions/${this.id}/events?after=${after}&limit=${end - after}&epoch=${this.epoch}`
        const got = await call<EventPage>('GET', path, undefined, { signal: this.ended.signal })
        if (got.next === after) break
        events.push(...got.events)
        after = got.next
      }
      this.pages.set(page, events)
      const oldest = this.pages.keys().next().value
      if (this.pages.size > HELD_MAX && oldest !== undefined) this.pages.delete(oldest)
      return events
    })().finally(() => this.loading.delete(page))
    this.loading.set(page, reading)
    return reading
  }

  private async show(): Promise<void> {
    const sequence = this.wanted.value
    const last = this.pageOf(sequence)
    const first = this.pageOf(Math.max(this.earliest.value, sequence - WINDOW))
    const pages: LogEvent[][] = []
    for (let page = first; page <= last; page++) {
      const got = this.load(page)
      pages.push(Array.isArray(got) ? got : await got)
    }
    // Somebody moved on while a page came in.
    if (this.wanted.value !== sequence) return this.show()
    const before = this.checkpoints.get(first)
    const carried = before ? [...before.latest.values(), ...before.open.values()].sort((one, other) => one.sequence - other.sequence) : []
    const events = pages.flat().filter((event) => event.sequence <= sequence)
    const fresh = new Conversation()
    fresh.add([...carried, ...events])
    this.conversation.value = fresh
    this.shown.value = events.at(-1) ?? null
    if (this.state.value === 'lost') this.state.value = 'ready'
  }

  private async scan(): Promise<void> {
    const last = this.pageOf(this.latest.value)
    const first = Math.max(this.pageOf(this.earliest.value), last - SCANNED_MAX)
    let known: Checkpoint = { latest: new Map(), open: new Map() }
    for (let page = first; page <= last; page++) {
      this.checkpoints.set(page, known)
      const events = await this.load(page)
      known = carry(known, events)
      this.scanned.value = (page - first + 1) / (last - first + 1)
    }
    // What is shown was drawn before they were there.
    if (first !== last && !this.isPlaying.value) this.seek(this.wanted.value)
  }

  /** To the next or the one before of a kind; stays where it is if there is none. */
  async step(way: 1 | -1, kind: Mark | 'event'): Promise<void> {
    this.pause()
    const from = this.wanted.value
    if (kind === 'event') return this.seek(from + way)
    await this.attempt(async () => {
      const isThere = (event: LogEvent) => (way > 0 ? event.sequence > from : event.sequence < from) && markOf(event) === kind
      for (let page = this.pageOf(from); page >= this.pageOf(this.earliest.value) && page <= this.pageOf(this.latest.value); page += way) {
        const events = await this.load(page)
        const found = way > 0 ? events.find(isThere) : events.findLast(isThere)
        if (found) return this.seek(found.sequence)
      }
    })
  }

  play(): void {
    if (this.wanted.value >= this.latest.value) this.seek(this.earliest.value)
    this.isPlaying.value = true
    void this.attempt(() => this.tick())
  }

  pause(): void {
    this.isPlaying.value = false
    clearTimeout(this.timer)
  }

  /** As fast as it was, times the speed; a long silence is cut short, and what came within a frame comes at once. */
  private async tick(): Promise<void> {
    let now = this.wanted.value
    let wait = 0
    const time = async (sequence: number) => {
      const events = await this.load(this.pageOf(sequence))
      return Date.parse(events.find((event) => event.sequence >= sequence)?.at ?? '')
    }
    let before = await time(now)
    while (now < this.latest.value && wait < 33) {
      now += 1
      const at = await time(now)
      wait += Math.min(1_500, Math.max(40, at - before || 0)) / this.speed.value
      before = at
    }
    this.timer = setTimeout(() => {
      if (!this.isPlaying.value) return
      this.seek(now)
      if (now >= this.latest.value) this.pause()
      else void this.attempt(() => this.tick())
    }, wait)
  }
}
