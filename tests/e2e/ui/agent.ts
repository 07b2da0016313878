// An agent that does what the test says: the worker's side of a code session, as ccb speaks it.

import { randomUUID } from 'node:crypto'
import type { Server } from './server'

type Payload = Record<string, any>

export interface Delegate {
  say: (text: string) => Promise<void>
  tool: (name: string, input: Payload, output: string) => Promise<void>
}

export class Agent {
  /** What it was told, in order. */
  readonly prompts: string[] = []
  /** Answers to its questions, by request. */
  readonly answers = new Map<string, Payload>()
  readonly interrupts: string[] = []
  /** The messages as they came, with what is attached to them. */
  readonly messages: Payload[] = []
  /** Changes of course that it was asked for, and which it refuses. */
  readonly controls: Payload[] = []
  readonly refuses = new Set<string>()
  /** Answers to changes of course are held back until this is done. */
  hesitation: Promise<void> = Promise.resolve()
  /** What it does when somebody writes to it. */
  onPrompt: (text: string) => Promise<void> = async () => {}

  private seen = new Set<string>()
  private ended = new AbortController()
  private beats: NodeJS.Timeout | undefined

  private constructor(
    private readonly server: Server,
    readonly session: string,
    private readonly jwt: string,
    private readonly epoch: number,
  ) {}

  /** The name that the app knows it by. */
  get id(): string {
    return this.session.replace('cse_', 'session_')
  }

  static async begin(server: Server, title: string, environment?: string): Promise<Agent> {
    const made = environment
      ? await server.ask('POST', '/v1/sessions', { title, events: [], session_context: { sources: [], outcomes: [] }, environment_id: environment, source: 'remote-control' })
      : (await server.ask('POST', '/v1/code/sessions', { title, bridge: {} })).session
    return Agent.take(server, made.id)
  }

  /** Becomes the worker of a session that is there. */
  static async take(server: Server, id: string): Promise<Agent> {
    const session = id.replace('session_', 'cse_')
    const given = await server.ask('POST', `/v1/code/sessions/${session}/bridge`, {})
    const agent = new Agent(server, session, given.worker_jwt, Number(given.worker_epoch))
    await agent.put({ worker_status: 'idle', external_metadata: { permission_mode: 'default', model: 'claude-sonnet-4-6' } })
    void agent.listen()
    agent.beats = setInterval(() => void agent.post('/heartbeat', {}).catch(() => undefined), 3_000)
    return agent
  }

  end(): void {
    clearInterval(this.beats)
    this.ended.abort()
  }

  private post(path: string, body: Payload): Promise<unknown> {
    const full = `/v1/code/sessions/${this.session}/worker${path}`
    return this.server.ask('POST', full, { worker_epoch: this.epoch, ...body }, this.jwt)
  }

  put(body: Payload): Promise<unknown> {
    return this.server.ask('PUT', `/v1/code/sessions/${this.session}/worker`, { worker_epoch: this.epoch, ...body }, this.jwt)
  }

  /** Sends as ccb does: until it is taken. */
  private async events(payloads: Payload[], ephemeral = false): Promise<void> {
    const events = payloads.map((payload) => ({ payload: { uuid: randomUUID(), session_id: 'x', ...payload }, ...(ephemeral ? { ephemeral } : {}) }))
    for (;;) {
      try {
        await this.post('/events', { events })
        return
      } catch (error) {
        if (this.ended.signal.aborted || !/fetch failed|50\d|429/.test(String(error))) throw error
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
    }
  }

  private async listen(): Promise<void> {
    while (!this.ended.signal.aborted) {
      try {
        const response = await fetch(`${this.server.url}/v1/code/sessions/${this.session}/worker/events/stream`, {
          headers: { authorization: `Bearer ${this.jwt}`, accept: 'text/event-stream' },
          signal: this.ended.signal,
        })
        let rest = ''
        for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
          const frames = (rest + piece).split('\n\n')
          rest = frames.pop()!
          for (const frame of frames) {
            const data = /^data: (.*)$/m.exec(frame)?.[1]
            if (data) await this.heard(JSON.parse(data))
          }
        }
      } catch {
        // The server is away; it comes back.
      }
      await new Promise((resolve) => setTimeout(resolve, 150))
    }
  }

  private async heard(event: { event_id: string; payload: Payload }): Promise<void> {
    const { event_id, payload } = event
    await this.post('/events/delivery', { updates: [{ event_id, status: 'received' }] })
    if (this.seen.has(event_id)) return
    this.seen.add(event_id)
    if (payload.type === 'user') {
      const text = typeof payload.message.content === 'string' ? payload.message.content : JSON.stringify(payload.message.content)
      this.prompts.push(text)
      this.messages.push(payload)
      await this.events([{ ...payload, isReplay: true }])
      void this.onPrompt(text)
    } else if (payload.type === 'control_response') {
      this.answers.set(payload.response.request_id, payload.response.response)
    } else if (payload.type === 'control_request') {
      const { subtype, mode } = payload.request
      this.interrupts.push(...(subtype === 'interrupt' ? [payload.request_id] : []))
      this.controls.push(payload.request)
      await this.hesitation
      if (this.refuses.has(subtype)) {
        await this.events([{ type: 'control_response', response: { subtype: 'error', request_id: payload.request_id, error: `no ${subtype} here` } }])
        return
      }
      await this.events([{ type: 'control_response', response: { subtype: 'success', request_id: payload.request_id, ...(mode ? { response: { mode } } : {}) } }])
      if (mode) await this.put({ external_metadata: { permission_mode: mode } })
    }
    await this.post('/events/delivery', { updates: [{ event_id, status: 'processed' }] })
  }

  private message(content: Payload[], id = `msg_${randomUUID()}`, parent: string | null = null): Payload {
    return { type: 'assistant', message: { id, type: 'message', role: 'assistant', model: 'claude-sonnet-4-6', content }, parent_tool_use_id: parent }
  }

  /** What it is and has, as ccb says it when it begins. */
  introduce(commands: string[], directory = '/home/dev/shop'): Promise<void> {
    return this.events([{ type: 'system', subtype: 'init', cwd: directory, tools: ['Bash'], model: 'claude-sonnet-4-6', permissionMode: 'default', slash_commands: commands }])
  }

  /** A sub-agent: what it does stands between its call and its result. */
  async delegate(description: string, prompt: string, steps: (within: Delegate) => Promise<void>, result: string | null): Promise<void> {
    const id = `toolu_${randomUUID().replaceAll('-', '')}`
    await this.events([this.message([{ type: 'tool_use', id, name: 'Task', input: { description, prompt, subagent_type: 'Explore' } }])])
    await this.events([{ type: 'user', message: { role: 'user', content: prompt }, parent_tool_use_id: id }])
    await steps({
      say: (text) => this.events([this.message([{ type: 'text', text }], undefined, id)]),
      tool: async (name, input, output) => {
        const inner = `toolu_${randomUUID().replaceAll('-', '')}`
        await this.events([this.message([{ type: 'tool_use', id: inner, name, input }], undefined, id)])
        await this.events([{ type: 'user', message: { role: 'user', content: [{ tool_use_id: inner, type: 'tool_result', content: output }] }, parent_tool_use_id: id }])
      },
    })
    if (result !== null) await this.events([{ type: 'user', message: { role: 'user', content: [{ tool_use_id: id, type: 'tool_result', content: result }] }, parent_tool_use_id: null }])
  }

  /** Frames as an agent behind a link sends them would come by another way; here they come as they are. */
  raw(payloads: Payload[]): Promise<void> {
    return this.events(payloads)
  }

  say(text: string): Promise<void> {
    return this.events([this.message([{ type: 'text', text }])])
  }

  /** So many messages, in as few requests as the server takes. */
  async bulk(count: number, name = 'Line'): Promise<void> {
    for (let from = 0; from < count; from += 100) {
      const lines = Array.from({ length: Math.min(100, count - from) }, (_, index) => `${name} ${from + index}`)
      await this.events(lines.map((text) => this.message([{ type: 'text', text }])))
    }
  }

  think(text: string): Promise<void> {
    return this.events([this.message([{ type: 'thinking', thinking: text }])])
  }

  /** What somebody typed at the terminal. */
  typed(text: string): Promise<void> {
    return this.events([{ type: 'user', message: { role: 'user', content: text }, parent_tool_use_id: null }])
  }

  /** Writes word by word, and then all of it. Half-way it waits until it was seen, where somebody wants to see it. */
  async stream(text: string, pauseMs = 60, seen: Promise<void> = Promise.resolve()): Promise<void> {
    const id = `msg_${randomUUID()}`
    const piece = (event: Payload) => this.events([{ type: 'stream_event', event, parent_tool_use_id: null }], true)
    await piece({ type: 'message_start', message: { id, type: 'message', role: 'assistant', content: [] } })
    await piece({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } })
    const words = text.split(/(?<= )/)
    let soFar = ''
    for (const [index, word] of words.entries()) {
      if (index === Math.floor(words.length / 2)) await seen
      soFar += word
      await piece({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: soFar } })
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
    await this.events([this.message([{ type: 'text', text }], id)])
  }

  async tool(name: string, input: Payload, result: string | null, isError = false): Promise<void> {
    const id = `toolu_${randomUUID().replaceAll('-', '')}`
    await this.events([this.message([{ type: 'tool_use', id, name, input }])])
    if (result === null) return
    await this.events([{ type: 'user', message: { role: 'user', content: [{ tool_use_id: id, type: 'tool_result', content: result, is_error: isError }] }, parent_tool_use_id: null }])
  }

  async ask(tool: string, input: Payload, more: Payload = {}): Promise<string> {
    const request = randomUUID()
    await this.events([{ type: 'control_request', request_id: request, request: { subtype: 'can_use_tool', tool_name: tool, input, tool_use_id: `toolu_${request.slice(0, 8)}`, permission_suggestions: [], ...more } }])
    return request
  }

  async done(): Promise<void> {
    await this.events([{ type: 'result', subtype: 'success', is_error: false, duration_ms: 1, num_turns: 1, result: '', usage: {} }])
  }

  async answerTo(request: string): Promise<Payload> {
    for (let tries = 0; tries < 200; tries++) {
      const answer = this.answers.get(request)
      if (answer) return answer
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    throw new Error(`nobody answered ${request}`)
  }
}
