// One session that is followed: its conversation, where in the log we are, and what is between us and the rest.

import { batch, computed, signal, type Signal } from '@preact/signals'
import { Failure, call, pause, readStream } from '../api'
import type { EventPage, Gap, LogEvent, Permission } from '../types'
import { Conversation } from './fold'
import { Offers } from './offers'
import { arrived, settled } from './outbox'
import { sessions } from './overview'
import { HELD_MAX, PAGE, Past } from './past'

/** What is read at first: a few screens, so that they are there at once. */
const FIRST = 120
/** Events at the beginning of a log among which an agent announces itself. */
const ANNOUNCED = 80
/** Events that stay when too many are held: the oldest go, and come back when somebody scrolls up to them. */
const KEPT = PAGE * 4
/** How long a page that nobody looks at keeps its stream. */
const UNSEEN_MS = 30_000

export class Followed {
  /** The end of the log, and what is said now. */
  readonly conversation: Signal<Conversation> = signal(new Conversation())
  /** Where somebody reads so far up that it is no longer held together with the end. */
  readonly past = signal<Past | null>(null)
  /** What is read. */
  readonly shown = computed(() => this.past.value?.conversation.value ?? this.conversation.value)
  /** What was said below while somebody read further up, in items. */
  readonly unread = signal(0)
  readonly state = signal<'loading' | 'live' | 'lost' | 'missing'>('loading')
  readonly hasMore = signal(false)
  readonly loadingMore = signal(false)
  /** How many events came in one piece after the way there had been cut. */
  readonly caughtUp = signal(0)

  private held: LogEvent[] = []
  private after = 0
  private earliest = 1
  private epoch = ''
  private readonly ended = new AbortController()

  constructor(readonly id: string) {
    void this.run()
  }

  end(): void {
    this.stopWatching()
    this.ended.abort()
  }

  private async run(): Promise<void> {
    const { signal } = this.ended
    let begun = false
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        await this.untilSeen()
        if (begun) await this.catchUp()
        else await this.begin()
        begun = true
        await readStream(
          `/sessions/${this.id}/events?after=${this.after}&epoch=${this.epoch}`,
          this.whileSeen(),
          () => {
            this.state.value = 'live'
            attempt = 0
          },
          (frame) => {
            if (frame.event === 'gap') this.gap(JSON.parse(frame.data) as Gap)
            else this.queue(JSON.parse(frame.data) as LogEvent)
          },
        )
      } catch (error) {
        if (!(error instanceof Failure)) {
          if (signal.aborted) return
          throw error
        }
        if (error.status === 401) return
        if (error.status === 404 || error.status === 403) {
          this.state.value = 'missing'
          return
        }
        if (error.kind === 'gap') {
          const { earliest = 1, latest = 0, epoch = '' } = error.problem ?? {}
          this.gap({ kind: 'gap', earliest, latest, epoch, detail: error.message })
          if (attempt > 2) await pause(attempt, signal)
          continue
        }
      }
      if (signal.aborted) return
      this.flush()
      // Put down because nobody looked: picked up where it was as soon as somebody does.
      if (this.isPutDown) continue
      this.state.value = 'lost'
      await pause(attempt, signal)
    }
  }

  private isPutDown = false
  private stopWatching: () => void = () => {}

  /**
   * Ends when nobody has looked at the page for a while. Browsers open six connections to a server without TLS, and a
   * forgotten tab must not take one of them away from the one that somebody looks at.
   */
  private whileSeen(): AbortSignal {
    this.stopWatching()
    this.isPutDown = false
    const link = new AbortController()
    const end = () => link.abort()
    let timer: ReturnType<typeof setTimeout> | undefined
    const look = () => {
      clearTimeout(timer)
      if (!document.hidden) return
      timer = setTimeout(() => {
        this.isPutDown = true
        end()
      }, UNSEEN_MS)
    }
    if (this.ended.signal.aborted) end()
    this.ended.signal.addEventListener('abort', end)
    document.addEventListener('visibilitychange', look)
    look()
    this.stopWatching = () => {
      clearTimeout(timer)
      this.ended.signal.removeEventListener('abort', end)
      document.removeEventListener('visibilitychange', look)
    }
    return link.signal
  }

  private untilSeen(): Promise<void> {
    if (!this.isPutDown || !document.hidden) return Promise.resolve()
    return new Promise((resolve) => {
      const look = () => {
        if (document.hidden && !this.ended.signal.aborted) return
        document.removeEventListener('visibilitychange', look)
        this.ended.signal.removeEventListener('abort', look)
        resolve()
      }
      document.addEventListener('visibilitychange', look)
      this.ended.signal.addEventListener('abort', look)
    })
  }

  private readonly page = (after: number, limit: number): Promise<EventPage> => {
    const epoch = this.epoch ? `&epoch=${this.epoch}` : ''
    const { signal } = this.ended
    return call<EventPage>('GET', `/sessions/${this.id}/events?after=${after}&limit=${limit}${epoch}`, undefined, {
      signal,
    })
  }

  /**
   * The last page, and what still waits for an answer although it may have been asked long before. Where home knows how
   * long the log is, the page is asked for at once: over a slow way every answer that another one waits for is felt.
   */
  private async begin(): Promise<void> {
    const known = sessions.peek().get(this.id)
    const guess = Math.max(0, (known?.latest ?? 0) - FIRST)
    const asking = known && known.permissions_open === 0 ? Promise.resolve([]) : this.openNow()
    // Where the page is not to be had either, that is told first, and this would be told to nobody.
    asking.catch(() => undefined)
    let page = await this.first(known ? guess : null)
    // Kept from when nobody looked, or from a server that begins anew: too little of it was asked for.
    if (page.latest - page.next > PAGE || page.events.length === 0) page = await this.first(null)
    this.epoch = page.epoch
    this.earliest = page.earliest
    const events = [...page.events]
    for (let after = page.next; after < page.latest; ) {
      const next = await this.page(after, PAGE)
      events.push(...next.events)
      if (next.next === after) break
      after = next.next
    }
    this.after = events.at(-1)?.sequence ?? page.latest
    const from = (events[0]?.sequence ?? page.latest + 1) - 1
    const asked = (await asking).filter((permission) => permission.sequence <= from)
    this.take(events, asked)
    // Where every word is an event, a page of them is one paragraph.
    for (let pages = 0; pages < 8 && this.hasMore.value && this.conversation.value.items.value.length < 20; pages++) {
      await this.more()
    }
  }

  /** The first page from where it was guessed to begin, or where nothing is known, from near the end. */
  private async first(guess: number | null): Promise<EventPage> {
    try {
      if (guess !== null) return await this.page(guess, PAGE)
    } catch (error) {
      if (!(error instanceof Failure) || error.kind !== 'gap') throw error
    }
    const tail = await call<EventPage>('GET', `/sessions/${this.id}/events?after=latest&limit=1`, undefined, { signal: this.ended.signal })
    this.epoch = tail.epoch
    const from = Math.max(tail.earliest - 1, tail.latest - FIRST)
    return from >= tail.latest ? tail : this.page(from, PAGE)
  }

  private async openNow(): Promise<LogEvent[]> {
    const open = await call<{ items: Permission[] }>('GET', `/permissions?limit=1000`)
    return open.items
      .filter((permission) => permission.session_id === this.id && permission.state === 'open')
      .map((permission) => ({
        sequence: permission.sequence,
        at: permission.asked_at,
        kind: 'permission_requested',
        by: { type: 'worker' as const },
        data: { request: permission.request_id, tool: permission.tool },
        payload: permission.payload,
      }))
  }

  private asked: LogEvent[] = []

  private take(events: LogEvent[], asked: LogEvent[]): void {
    this.asked = asked
    this.held = events
    const fresh = new Conversation()
    fresh.add([...asked, ...events])
    if (this.announced) fresh.offers.fill(this.announced)
    this.note(events)
    this.conversation.value = fresh
    const first = this.past.peek()?.first ?? events[0]?.sequence ?? this.after + 1
    this.hasMore.value = first > this.earliest
  }

  /** What was missed, in pages and then told in one line, instead of dribbling in. */
  private async catchUp(): Promise<void> {
    let count = 0
    for (;;) {
      const page = await this.page(this.after, 1_000)
      if (page.events.length === 0) break
      count += page.events.length
      this.append(page.events)
    }
    if (count > 0) this.caughtUp.value = count
  }

  private waiting: LogEvent[] = []
  private frame: ReturnType<typeof setTimeout> | null = null

  /** Events of one moment are drawn together: a replay of thousands is a few redraws. */
  private queue(event: LogEvent): void {
    this.waiting.push(event)
    if (this.frame) return
    // A page in the background gets no frames; it still has to keep up.
    this.frame = setTimeout(() => this.flush(), 40)
  }

  private flush(): void {
    if (this.frame) clearTimeout(this.frame)
    this.frame = null
    if (this.waiting.length > 0) this.append(this.waiting.splice(0))
  }

  private append(events: LogEvent[]): void {
    const fresh = events.filter((event) => event.sequence > this.after)
    const last = fresh.at(-1)
    if (!last) return
    this.after = last.sequence
    this.held.push(...fresh)
    const conversation = this.conversation.peek()
    const before = conversation.items.peek().length
    conversation.add(fresh)
    if (this.scrolledUp) this.unread.value += conversation.items.peek().length - before
    this.note(fresh)
    if (this.held.length > HELD_MAX) this.leave()
  }

  /** Too much is held: the end goes on with less. Who reads further up keeps what they read, as the past that it is. */
  private leave(): void {
    batch(() => {
      if (this.scrolledUp && !this.past.peek()) this.past.value = new Past(this.page, this.shift, this.held, this.conversation.peek())
      this.take(this.held.slice(-KEPT), this.asked)
    })
  }

  /** Set by the view: while somebody reads further up, nothing is taken away from under them. */
  scrolledUp = false

  /** Set by the view, which has to find its place again when something is put above what is read. */
  shifting: () => void = () => {}
  private readonly shift = () => this.shifting()

  /** Back to what is said now. */
  toNow(): void {
    this.way += 1
    this.scrolledUp = false
    this.unread.value = 0
    if (!this.past.peek()) return
    this.past.value = null
    this.hasMore.value = (this.held[0]?.sequence ?? this.after + 1) > this.earliest
  }

  /** Which place was asked for last: one that is read slowly must not take somebody away from the next. */
  private way = 0

  /** Shows the log around a place. */
  async goTo(sequence: number): Promise<void> {
    if (sequence >= (this.held[0]?.sequence ?? this.after + 1)) return this.toNow()
    this.scrolledUp = true
    const way = (this.way += 1)
    const past = await Past.around(this.page, this.shift, sequence, this.earliest)
    if (way !== this.way) return
    this.past.value = past
    this.hasMore.value = this.past.value.first > this.earliest
  }

  /** One page further down. Where it meets the end, both are one again. */
  async later(): Promise<void> {
    const past = this.past.peek()
    if (!past || this.loadingMore.value) return
    await this.loadMore(async () => {
      await past.later()
      if (this.past.peek() !== past) return
      this.flush()
      this.hasMore.value = past.first > this.earliest
      if (past.last + 1 < (this.held[0]?.sequence ?? this.after + 1)) return
      this.shift()
      batch(() => {
        this.past.value = null
        this.take([...past.tail(KEPT), ...this.held.filter((event) => event.sequence > past.last)], this.asked)
      })
    })
  }

  private note(events: readonly LogEvent[]): void {
    for (const event of events) {
      const { data } = event
      if (event.kind === 'message_posted') arrived(String(data.message))
      if (event.kind === 'permission_decided' || event.kind === 'permission_cancelled') {
        settled(this.id, String(data.request))
      }
    }
  }

  /** The log cannot go on from where we are: said in so many words, and then from where it can. */
  private gap(gap: Gap): void {
    this.flush()
    const isAnew = this.epoch !== '' && gap.epoch !== this.epoch
    this.epoch = gap.epoch
    this.earliest = gap.earliest
    if (isAnew) {
      this.held = []
      this.past.value = null
      const fresh = new Conversation()
      fresh.notice('anew', gap.detail)
      this.conversation.value = fresh
    } else {
      this.conversation.value.notice('gap', `${this.after + 1} – ${gap.earliest - 1}`)
    }
    this.after = gap.earliest - 1
  }

  /** What the agent announced before the part that is here. */
  private announced: Offers | null = null
  private hasLookedBack = false

  /** Agents say what they offer when they begin: the beginning of the log is read for it, once and when it is needed. */
  async lookBack(): Promise<void> {
    if (this.hasLookedBack || this.state.value !== 'live') return
    this.hasLookedBack = true
    try {
      const page = await this.page(this.earliest - 1, ANNOUNCED)
      const announced = new Offers()
      page.events.forEach((event) => announced.note(event))
      if (this.conversation.peek().offers.isLink.peek()) {
        // Where the log does not go back that far, the server still knows the ids.
        const known = await call<{ modes?: string[]; models?: string[] }>('GET', `/sessions/${this.id}`)
        announced.byIds(known.modes, known.models)
      }
      this.announced = announced
      this.conversation.value.offers.fill(announced)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      this.hasLookedBack = false
    }
  }

  /** One page further back. */
  async more(): Promise<void> {
    if (this.loadingMore.value || !this.hasMore.value) return
    await this.loadMore(async () => {
      const first = this.held[0]?.sequence ?? this.after + 1
      const past = this.past.peek()
      if (past) await past.earlier(this.earliest)
      else {
        const from = Math.max(this.earliest - 1, first - 1 - PAGE)
        const page = await this.page(from, first - 1 - from)
        const older = page.events.filter((event) => event.sequence < first)
        this.flush()
        this.shift()
        this.take([...older, ...this.held], this.asked.filter((event) => event.sequence <= from))
        if (this.held.length > HELD_MAX) this.leave()
      }
      const top = this.past.peek()
      if (top) this.hasMore.value = top.first > this.earliest
    })
  }

  private async loadMore(load: () => Promise<void>): Promise<void> {
    this.loadingMore.value = true
    try {
      await load()
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      if (error.kind === 'gap') {
        const first = this.past.peek()?.first ?? this.held[0]?.sequence ?? this.after + 1
        this.earliest = error.problem?.earliest ?? first
        this.hasMore.value = first > this.earliest
      }
    } finally {
      this.loadingMore.value = false
    }
  }
}
