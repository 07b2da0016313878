// From a session's events to what a conversation shows: a fold, in the order of the log.
//
// Each item is a signal of its own, so that a word that streams in redraws one paragraph and not the page.

import { signal, type Signal } from '@preact/signals'
import type { Author, LogEvent, Winner } from '../types'
import { askOf, isTheirs, stepOf, type Change, type Step } from './acp'

interface Base {
  key: string
  at: string
  sequence: number
}

export interface Prompt extends Base {
  kind: 'prompt'
  id: string | null
  text: string
  images: string[]
  by: Author
  state: 'queued' | 'delivered' | 'seen' | 'cancelled'
}

export interface Words extends Base {
  kind: 'words' | 'thinking'
  text: string
  streaming: boolean
}

export interface Tool extends Base {
  kind: 'tool'
  id: string
  name: string
  input: Record<string, unknown>
  /** What it does in a few words, where the agent says so. */
  title: string
  changes: Change[]
  result: { text: string; isError: boolean; images: string[] } | null
}

export interface Ask extends Base {
  kind: 'ask'
  request: string
  tool: string
  input: Record<string, unknown>
  title: string
  changes: Change[]
  words: string
  state: 'open' | 'decided' | 'cancelled'
  winner: (Winner & { rule: string | null }) | null
}

export interface Notice extends Base {
  kind: 'notice'
  what:
    | 'mode'
    | 'model'
    | 'online'
    | 'offline'
    | 'compacted'
    | 'error'
    | 'interrupted'
    | 'cleared'
    | 'gap'
    | 'anew'
    | 'rule'
    | 'command'
  text: string
  by: Author | null
}

export type Item = Prompt | Words | Tool | Ask | Notice

type Raw = Record<string, unknown>

const record = (value: unknown): Raw => (value && typeof value === 'object' && !Array.isArray(value) ? (value as Raw) : {})
const text = (value: unknown): string => (typeof value === 'string' ? value : '')

/** Text of a foreign message: a string, or blocks of which some are text. */
function contentText(content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content.map((block) => text(record(block).text)).filter(Boolean).join('\n\n')
}

const IMAGE_TYPES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp'])

function contentImages(content: unknown): string[] {
  if (!Array.isArray(content)) return []
  return content.flatMap((block) => {
    const source = record(record(block).source)
    const type = text(source.media_type)
    const data = text(source.data)
    // Only what cannot hold a script, and only from the message itself: a URL would tell its host who looks.
    return IMAGE_TYPES.has(type) && /^[A-Za-z0-9+/=\s]+$/.test(data) ? [`data:${type};base64,${data}`] : []
  })
}

export class Conversation {
  readonly items = signal<Signal<Item>[]>([])
  /** Settings as the worker confirmed them, which is not always what was asked. */
  readonly mode = signal<string | null>(null)
  readonly model = signal<string | null>(null)
  readonly open = signal<Signal<Item>[]>([])
  readonly title = signal<string | null>(null)
  readonly archived = signal(false)
  readonly tasks = signal<Raw[]>([])

  private byKey = new Map<string, Signal<Item>>()
  /** Items that stream in, by the message they belong to and their place in it. */
  private live = new Map<string, string>()
  private streaming = ''
  private orphans = new Map<string, Tool['result']>()
  private batch: Signal<Item>[] | null = null
  private wasOffline = false
  /** Pieces of a turn that is told again which are still to come: nothing else says where it ends. */
  private telling = 0

  /** Folds events that come next. */
  add(events: readonly LogEvent[]): void {
    this.batch = []
    for (const event of events) this.one(event)
    const fresh = this.batch
    this.batch = null
    if (fresh.length > 0) this.items.value = [...this.items.value, ...fresh]
    this.open.value = [...this.byKey.values()].filter((item) => item.value.kind === 'ask' && item.value.state === 'open')
  }

  notice(what: Notice['what'], words: string, event: LogEvent | null = null): void {
    this.put({
      kind: 'notice',
      key: event ? `n${event.sequence}` : `x${this.byKey.size}`,
      at: event?.at ?? new Date().toISOString(),
      sequence: event?.sequence ?? 0,
      what,
      text: words,
      by: event?.by ?? null,
    })
  }

  private put(item: Item): void {
    const known = this.byKey.get(item.key)
    if (known) {
      known.value = item
      return
    }
    const held = signal(item)
    this.byKey.set(item.key, held)
    if (this.batch) this.batch.push(held)
    else this.items.value = [...this.items.value, held]
  }

  private change<K extends Item['kind']>(key: string, kind: K, to: (item: Extract<Item, { kind: K }>) => Item): void {
    const held = this.byKey.get(key)
    if (held && held.value.kind === kind) held.value = to(held.value as Extract<Item, { kind: K }>)
  }

  private one(event: LogEvent): void {
    const { data, sequence, at } = event
    const base = (key: string) => ({ key, at, sequence })
    const receipt = (state: Prompt['state']) =>
      this.change(`p${text(data.message)}`, 'prompt', (item) => ({ ...item, state }))
    switch (event.kind) {
      case 'message_posted': {
        const payload = record(event.payload)
        this.put({
          ...base(`p${text(data.message)}`),
          kind: 'prompt',
          id: text(data.message),
          text: contentText(payload.content),
          images: contentImages(payload.content),
          by: event.by,
          state: 'queued',
        })
        return
      }
      case 'message_delivered':
        return receipt('delivered')
      case 'message_consumed':
        return receipt('seen')
      case 'message_cancelled':
        return receipt('cancelled')
      case 'message_received':
        return this.received(event)
      case 'permission_requested': {
        const request = record(record(event.payload).request)
        const call = askOf(record(event.payload))
        this.put({
          ...base(`a${text(data.request)}`),
          kind: 'ask',
          request: text(data.request),
          tool: text(data.tool),
          input: call ? (call.input ?? {}) : record(request.input),
          title: call?.title ?? '',
          changes: call?.changes ?? [],
          words: call?.words ?? '',
          state: 'open',
          winner: null,
        })
        return
      }
      case 'permission_decided':
        return this.change(`a${text(data.request)}`, 'ask', (item) => ({
          ...item,
          state: 'decided',
          winner: {
            verdict: data.verdict === 'allow' ? 'allow' : 'deny',
            by: event.by,
            at,
            ...(data.message ? { message: text(data.message) } : {}),
            rule: text(data.rule) || null,
          },
        }))
      case 'permission_cancelled':
        return this.change(`a${text(data.request)}`, 'ask', (item) => ({ ...item, state: 'cancelled' }))
      case 'turn_retold':
        return this.retold(Number(data.from), Number(data.through), Number(data.pieces ?? 0))
      case 'rule_added':
        return this.notice('rule', text(record(data.rule).name), event)
      case 'mode_confirmed':
        if (this.mode.value !== null && this.mode.value !== text(data.mode)) this.notice('mode', text(data.mode), event)
        this.mode.value = text(data.mode)
        return
      case 'model_confirmed':
        if (this.model.value !== null && this.model.value !== text(data.model)) this.notice('model', text(data.model), event)
        this.model.value = text(data.model)
        return
      case 'worker_online':
        // That it is there goes without saying, unless it was gone.
        if (this.wasOffline) this.notice('online', '', event)
        this.wasOffline = false
        return
      case 'worker_offline':
        this.settle()
        this.wasOffline = true
        return this.notice('offline', '', event)
      case 'session_renamed':
        this.title.value = text(data.title)
        return
      case 'session_archived':
        this.archived.value = true
        return
    }
  }

  /** The agent tells a turn again: what follows stands for what it said in this range. */
  private retold(from: number, through: number, pieces: number): void {
    this.telling = pieces
    const said = new Set<Item['kind']>(['words', 'thinking', 'tool'])
    const stays = ({ value }: Signal<Item>) => !said.has(value.kind) || value.sequence < from || value.sequence > through
    for (const [key, item] of this.byKey) if (!stays(item)) this.byKey.delete(key)
    if (this.batch) this.batch = this.batch.filter(stays)
    this.items.value = this.items.value.filter(stays)
  }

  /** What was said last is whole. */
  private quiet(): void {
    const last = this.last()
    if (last && (last.value.kind === 'words' || last.value.kind === 'thinking')) last.value = { ...last.value, streaming: false }
  }

  /** Nothing streams any more. */
  private settle(): void {
    for (const key of this.live.values()) {
      const held = this.byKey.get(key)
      if (held && (held.value.kind === 'words' || held.value.kind === 'thinking') && held.value.streaming) {
        held.value = { ...held.value, streaming: false }
      }
    }
  }

  private received(event: LogEvent): void {
    const payload = record(event.payload)
    if (isTheirs(payload)) {
      const step = stepOf(payload)
      if (step) this.step(event, step)
      if (this.telling > 0 && --this.telling === 0) this.quiet()
      return
    }
    const message = record(payload.message)
    const content = message.content ?? payload.content
    switch (event.data.kind) {
      case 'assistant':
        return this.assistant(event, text(message.id), content)
      case 'user':
        return this.user(event, content)
      case 'partial':
        return this.partial(event, record(payload.event))
      case 'tasks':
        if (Array.isArray(payload.tasks)) this.tasks.value = payload.tasks.map(record)
        return
      case 'result': {
        this.settle()
        const failed = payload.is_error === true || text(payload.subtype).startsWith('error')
        const why = contentText(payload.result) || (Array.isArray(payload.errors) ? payload.errors.map(text).join('\n') : '')
        if (failed && !this.wasInterrupted()) this.notice('error', why.slice(0, 4000), event)
        return
      }
      case 'system':
        if (payload.subtype === 'compact_boundary') this.notice('compacted', '', event)
        return
      case 'other':
        if (payload.status === 'conversation_cleared') this.notice('cleared', '', event)
        return
    }
  }

  private last(): Signal<Item> | undefined {
    return this.batch?.at(-1) ?? this.items.peek().at(-1)
  }

  /** What an agent behind a link did. */
  private step(event: LogEvent, step: Step): void {
    const base = { key: `m${event.sequence}`, at: event.at, sequence: event.sequence }
    const before = this.last()
    // Only what comes right behind a piece goes on with it.
    const open = before && (before.value.kind === 'words' || before.value.kind === 'thinking') && before.value.streaming ? before : null
    const goesOn = step.step === 'chunk' && open?.value.kind === step.kind
    if (open && !goesOn) open.value = { ...(open.value as Words), streaming: false }
    switch (step.step) {
      case 'chunk':
        if (goesOn) open.value = { ...(open.value as Words), text: (open.value as Words).text + step.text }
        else if (step.text) this.put({ ...base, kind: step.kind, text: step.text, streaming: true })
        return
      case 'user': {
        const said = before?.value
        const isEcho = said?.kind === 'prompt' && said.text.trim() === step.text.trim()
        if (step.text.trim() && !isEcho) {
          this.put({ ...base, kind: 'prompt', id: null, text: step.text, images: [], by: event.by, state: 'seen' })
        }
        return
      }
      case 'call': {
        const key = `t${step.call.id}`
        const known = this.byKey.get(key)?.value
        const tool: Tool =
          known?.kind === 'tool'
            ? known
            : { ...base, key, kind: 'tool', id: step.call.id, name: 'other', title: '', input: {}, changes: [], result: null }
        const { name, title, input, changes, words, state } = step.call
        const result = state ? { text: words ?? '', isError: state === 'failed', images: [] } : tool.result
        this.put({
          ...tool,
          name: name ?? tool.name,
          title: title ?? tool.title,
          input: input ?? tool.input,
          changes: changes ?? tool.changes,
          result,
        })
        return
      }
      case 'tasks':
        this.tasks.value = step.tasks
        return
      case 'end':
        if (step.error) this.notice('error', step.error, event)
        return
    }
  }

  /** A turn that somebody stopped ends as an error; saying so twice is noise. */
  private wasInterrupted(): boolean {
    const last = this.last()?.value
    return last?.kind === 'notice' && last.what === 'interrupted'
  }

  private assistant(event: LogEvent, id: string, content: unknown): void {
    const blocks = Array.isArray(content) ? content.map(record) : [{ type: 'text', text: text(content) }]
    blocks.forEach((block, index) => {
      const fresh = `m${event.sequence}.${index}`
      const base = { at: event.at, sequence: event.sequence }
      if (block.type === 'text' && text(block.text) && block.text !== '(no content)') {
        const key = this.claim(id, 'words') ?? fresh
        this.put({ ...base, key, kind: 'words', text: text(block.text), streaming: false })
      } else if (block.type === 'thinking' && text(block.thinking)) {
        const key = this.claim(id, 'thinking') ?? fresh
        this.put({ ...base, key, kind: 'thinking', text: text(block.thinking), streaming: false })
      } else if (block.type === 'tool_use') {
        const tool = text(block.id)
        const todos = record(block.input).todos
        if (block.name === 'TodoWrite' && Array.isArray(todos)) this.tasks.value = todos.map(record)
        this.put({
          ...base,
          key: `t${tool}`,
          kind: 'tool',
          id: tool,
          name: text(block.name),
          input: record(block.input),
          title: '',
          changes: [],
          result: this.orphans.get(tool) ?? null,
        })
      }
    })
  }

  /** The oldest item of this message that streamed in and is not yet replaced by what it came to. */
  private claim(id: string, kind: Words['kind']): string | null {
    for (const [place, key] of this.live) {
      if (place.startsWith(`${id}:`) && this.byKey.get(key)?.value.kind === kind) {
        this.live.delete(place)
        return key
      }
    }
    return null
  }

  private user(event: LogEvent, content: unknown): void {
    const blocks = Array.isArray(content) ? content.map(record) : []
    const results = blocks.filter((block) => block.type === 'tool_result')
    for (const block of results) {
      const result = {
        text: contentText(block.content),
        isError: block.is_error === true,
        images: contentImages(block.content),
      }
      const key = `t${text(block.tool_use_id)}`
      if (this.byKey.has(key)) this.change(key, 'tool', (item) => ({ ...item, result }))
      else this.orphans.set(text(block.tool_use_id), result)
    }
    if (results.length > 0) return
    const words = contentText(content)
    if (words.startsWith('[Request interrupted')) return this.notice('interrupted', '', event)
    const output = /^<local-command-stdout>([\s\S]*)<\/local-command-stdout>$/.exec(words)
    if (output) return this.notice('command', output[1] ?? '', event)
    const command = /<command-name>([^<]*)<\/command-name>/.exec(words)
    if (command) return this.notice('command', command[1] ?? '', event)
    if (words.startsWith('<local-command-caveat>') || (!words && contentImages(content).length === 0)) return
    const id = text(event.data.message)
    this.put({
      key: `p${id || event.sequence}`,
      at: event.at,
      sequence: event.sequence,
      kind: 'prompt',
      id: null,
      text: words,
      images: contentImages(content),
      by: event.by,
      state: 'seen',
    })
  }

  private partial(event: LogEvent, part: Raw): void {
    const index = typeof part.index === 'number' ? part.index : 0
    const place = `${this.streaming}:${index}`
    const key = `l${place}`
    const base = { key, at: event.at, sequence: event.sequence }
    if (part.type === 'message_start') {
      this.streaming = text(record(part.message).id)
    } else if (part.type === 'content_block_start') {
      const block = record(part.content_block)
      const kind = block.type === 'thinking' ? 'thinking' : block.type === 'text' ? 'words' : null
      if (kind) {
        this.live.set(place, key)
        this.put({ ...base, kind, text: text(block.text) || text(block.thinking), streaming: true })
      }
    } else if (part.type === 'content_block_delta') {
      const delta = record(part.delta)
      const more = text(delta.text) || text(delta.thinking)
      const held = this.byKey.get(key)
      if (!more) return
      if (held && (held.value.kind === 'words' || held.value.kind === 'thinking')) {
        // Some workers send what is new, others the whole text so far, again and again.
        const isWhole = event.data.ephemeral === true && more.startsWith(held.value.text)
        if (held.value.streaming) held.value = { ...held.value, text: isWhole ? more : held.value.text + more }
      } else if (!held) {
        // Its beginning is on an earlier page, or was forgotten.
        this.live.set(place, key)
        this.put({ ...base, kind: delta.thinking ? 'thinking' : 'words', text: more, streaming: true })
      }
    } else if (part.type === 'content_block_stop') {
      const held = this.byKey.get(key)
      if (held && (held.value.kind === 'words' || held.value.kind === 'thinking')) {
        held.value = { ...held.value, streaming: false }
      }
    }
  }
}
