// From a session's events to what a conversation shows: a fold, in the order of the log.
//
// Each item is a signal of its own, so that a word that streams in redraws one paragraph and not the page. What a
// sub-agent does stands under the tool that called it.

import { signal, type Signal } from '@preact/signals'
import type { LogEvent } from '../types'
import { askOf, isTheirs, stepOf, type Step } from './acp'
import { Course } from './course'
import type { Ask, Attached, Item, Notice, Prompt, Tool, Words } from './items'
import { Offers } from './offers'
import { contentImages, contentText, list, record, text, type Raw } from './parts'

export type { Ask, Item, Notice, Prompt, Tool, Words } from './items'

export class Conversation {
  readonly items = signal<Signal<Item>[]>([])
  readonly course = new Course()
  readonly offers = new Offers()
  readonly open = signal<Signal<Item>[]>([])
  readonly title = signal<string | null>(null)
  readonly archived = signal(false)
  readonly tasks = signal<Raw[]>([])

  private byKey = new Map<string, Signal<Item>>()
  /** Items that stream in, by the message they belong to and their place in it. */
  private live = new Map<string, string>()
  /** The message that streams in, for each branch. */
  private streaming = new Map<string, string>()
  private orphans = new Map<string, Tool['result']>()
  /** What came since the last redraw, for each branch. */
  private fresh: Map<string, Signal<Item>[]> | null = null
  private asks = new Map<string, Signal<Item>>()
  /** The tool whose sub-agent speaks; none for the conversation itself. */
  private branch = ''
  private wasOffline = false
  /** Pieces of a turn that is told again which are still to come: nothing else says where it ends. */
  private telling = 0

  /** Folds events that come next. */
  add(events: readonly LogEvent[]): void {
    this.fresh = new Map()
    for (const event of events) {
      this.offers.note(event)
      this.one(event)
      this.branch = ''
    }
    const fresh = this.fresh
    this.fresh = null
    for (const [branch, items] of fresh) {
      const grown = this.listOf(branch)
      grown.value = [...grown.peek(), ...items]
    }
    const open = [...this.asks.values()].filter((item) => item.peek().kind === 'ask' && (item.peek() as Ask).state === 'open')
    const before = this.open.peek()
    if (open.length !== before.length || open.some((item, index) => item !== before[index])) this.open.value = open
    for (const [key, item] of this.asks) if (!open.includes(item)) this.asks.delete(key)
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

  /** The items of a branch: a tool's, or the conversation's. */
  private listOf(branch: string): Signal<Signal<Item>[]> {
    if (!branch) return this.items
    const held = this.byKey.get(`t${branch}`)
    const tool = held?.peek()
    if (!held || tool?.kind !== 'tool') return this.items
    if (tool.steps) return tool.steps
    const steps = signal<Signal<Item>[]>([])
    held.value = { ...tool, steps }
    return steps
  }

  private put(item: Item): void {
    const known = this.byKey.get(item.key)
    if (known) {
      known.value = item
      return
    }
    const held = signal(item)
    this.byKey.set(item.key, held)
    if (item.kind === 'ask') this.asks.set(item.key, held)
    if (!this.fresh) {
      const grown = this.listOf(this.branch)
      grown.value = [...grown.peek(), held]
      return
    }
    const fresh = this.fresh.get(this.branch)
    if (fresh) fresh.push(held)
    else this.fresh.set(this.branch, [held])
  }

  /** What follows is a sub-agent's. Where the call itself is on an earlier page, a row stands in for it. */
  private enter(parent: string, event: LogEvent): void {
    if (!parent) return
    if (!this.byKey.has(`t${parent}`)) this.put(tool(`t${parent}`, event, parent, 'Task'))
    this.branch = parent
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
          files: attachedTo(payload),
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
        const why = [request.decision_reason, request.blocked_path && `→ ${text(request.blocked_path)}`].map(text).filter(Boolean)
        this.put({
          ...base(`a${text(data.request)}`),
          kind: 'ask',
          request: text(data.request),
          tool: text(data.tool),
          input: call ? (call.input ?? {}) : record(request.input),
          title: call?.title ?? '',
          changes: call?.changes ?? [],
          words: call?.words ?? why.join('\n'),
          suggestions: list(request.permission_suggestions),
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
        if (this.course.mode.value !== null && this.course.mode.value !== text(data.mode)) this.notice('mode', text(data.mode), event)
        return this.course.confirm('mode', text(data.mode))
      case 'model_confirmed':
        if (this.course.model.value !== null && this.course.model.value !== text(data.model)) this.notice('model', text(data.model), event)
        return this.course.confirm('model', text(data.model))
      case 'control_requested':
      case 'control_answered':
      case 'control_dropped':
        return this.course.note(event)
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
    const stays = (held: Signal<Item>) => {
      const { kind, sequence } = held.peek()
      return !said.has(kind) || sequence < from || sequence > through
    }
    for (const [key, item] of this.byKey) if (!stays(item)) this.byKey.delete(key)
    for (const [branch, items] of this.fresh ?? []) this.fresh?.set(branch, items.filter(stays))
    this.items.value = this.items.peek().filter(stays)
    for (const held of this.byKey.values()) {
      const tool = held.peek()
      if (tool.kind === 'tool' && tool.steps) tool.steps.value = tool.steps.peek().filter(stays)
    }
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
      this.offers.isLink.value = true
      const step = stepOf(payload)
      if (step) {
        this.enter(step.step === 'end' ? '' : (step.parent ?? ''), event)
        this.step(event, step)
      }
      if (this.telling > 0 && --this.telling === 0) this.quiet()
      return
    }
    this.enter(text(payload.parent_tool_use_id), event)
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
        if (Array.isArray(payload.tasks)) this.tasks.value = list(payload.tasks)
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
    return this.fresh?.get(this.branch)?.at(-1) ?? this.listOf(this.branch).peek().at(-1)
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
          this.put({ ...base, kind: 'prompt', id: null, text: step.text, images: [], files: [], by: event.by, state: 'seen' })
        }
        return
      }
      case 'call': {
        const key = `t${step.call.id}`
        const known = this.byKey.get(key)?.value
        const before = known?.kind === 'tool' ? known : tool(key, event, step.call.id, 'other')
        const { name, title, input, changes, words, state, paths } = step.call
        paths?.forEach((path) => this.offers.touch(path))
        this.put({
          ...before,
          name: name ?? before.name,
          title: title ?? before.title,
          input: input ?? before.input,
          changes: changes ?? before.changes,
          result: state ? { text: words ?? '', isError: state === 'failed', images: [] } : before.result,
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
        const called = text(block.id)
        const input = record(block.input)
        // A sub-agent keeps a list of its own, which is not the conversation's.
        if (block.name === 'TodoWrite' && Array.isArray(input.todos) && !this.branch) this.tasks.value = list(input.todos)
        this.offers.touch(text(input.file_path) || text(input.notebook_path))
        const known = this.byKey.get(`t${called}`)?.peek()
        const before = known?.kind === 'tool' ? known : tool(`t${called}`, event, called, '')
        this.put({ ...before, name: text(block.name), input, result: before.result ?? this.orphans.get(called) ?? null })
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
    if (this.branch) return this.told(event, words)
    const id = text(event.data.message)
    this.put({
      key: `p${id || event.sequence}`,
      at: event.at,
      sequence: event.sequence,
      kind: 'prompt',
      id: null,
      text: words,
      images: contentImages(content),
      files: [],
      by: event.by,
      state: 'seen',
    })
  }

  /** What a sub-agent was told, unless that stands in the call itself. */
  private told(event: LogEvent, words: string): void {
    const call = this.byKey.get(`t${this.branch}`)?.peek()
    if (call?.kind === 'tool' && text(call.input.prompt).trim() === words.trim()) return
    this.put({ key: `m${event.sequence}`, at: event.at, sequence: event.sequence, kind: 'words', text: words, streaming: false })
  }

  private partial(event: LogEvent, part: Raw): void {
    const index = typeof part.index === 'number' ? part.index : 0
    const place = `${this.streaming.get(this.branch) ?? ''}:${index}`
    const key = `l${place}`
    const base = { key, at: event.at, sequence: event.sequence }
    if (part.type === 'message_start') {
      this.streaming.set(this.branch, text(record(part.message).id))
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

/** Stored files by their ids. What is no id would be a path of somebody's making. */
function attachedTo(payload: Raw): Attached[] {
  const files = list(payload.file_attachments).map((file) => ({ uuid: text(file.file_uuid), name: text(file.file_name) }))
  return files.filter((file) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(file.uuid))
}

/** A tool of which nothing but its place is known yet. */
function tool(key: string, event: LogEvent, id: string, name: string): Tool {
  const { at, sequence } = event
  return { key, at, sequence, kind: 'tool', id, name, title: '', input: {}, changes: [], result: null, steps: null }
}
