// A stretch of a session's log that is further up than what is live: read by pages in both directions, and bounded, so
// that whoever reads up a long log, or stays where they read while hours are said below, holds no more than others.

import { signal, type Signal } from '@preact/signals'
import type { EventPage, LogEvent } from '../types'
import { Conversation } from './fold'

/** What is read per page of history. */
export const PAGE = 300
/** Events that are held at a time. One that is large is some KiB, a word that streams in some hundred bytes. */
export const HELD_MAX = 6_000

export type ReadPage = (after: number, limit: number) => Promise<EventPage>

export class Past {
  readonly conversation: Signal<Conversation>

  constructor(
    private readonly read: ReadPage,
    /** Called before something is put above what is read, or taken away from there. */
    private readonly shifting: () => void,
    private held: LogEvent[],
    conversation?: Conversation,
  ) {
    this.conversation = signal(conversation ?? folded(held))
  }

  /** What is read around a place, about as much before it as behind. */
  static async around(read: ReadPage, shifting: () => void, sequence: number, earliest: number): Promise<Past> {
    const page = await read(Math.max(earliest - 1, sequence - 1 - PAGE / 2), PAGE)
    return new Past(read, shifting, page.events)
  }

  get first(): number {
    return this.held[0]?.sequence ?? 0
  }

  get last(): number {
    return this.held.at(-1)?.sequence ?? 0
  }

  /** The newest of it, for what goes on from there. */
  tail(count: number): LogEvent[] {
    return this.held.slice(-count)
  }

  /** One page further up; what is furthest down goes. */
  async earlier(earliest: number): Promise<void> {
    const { first } = this
    const from = Math.max(earliest - 1, first - 1 - PAGE)
    if (from >= first - 1) return
    const page = await this.read(from, first - 1 - from)
    const older = page.events.filter((event) => event.sequence < first)
    this.hold([...older, ...this.held].slice(0, HELD_MAX))
  }

  /** One page further down; what is furthest up goes. */
  async later(): Promise<void> {
    const { last } = this
    const page = await this.read(last, PAGE)
    const newer = page.events.filter((event) => event.sequence > last)
    if (newer.length > 0) this.hold([...this.held, ...newer].slice(-HELD_MAX))
  }

  private hold(events: LogEvent[]): void {
    this.shifting()
    this.held = events
    this.conversation.value = folded(events)
  }
}

function folded(events: readonly LogEvent[]): Conversation {
  const fresh = new Conversation()
  fresh.add(events)
  return fresh
}
