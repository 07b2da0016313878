// Machines that take work: a runner as ccb registers one, and an agent behind a link.

import type { Browser, BrowserContext } from '@playwright/test'
import { Agent } from './agent'
import type { Server } from './server'

export class Runner {
  /** The workers that it began, by the session's id in the app. */
  readonly agents = new Map<string, Agent>()
  /** What it does with a session that it took. */
  onSession: (agent: Agent) => Promise<void> = async () => {}
  /** While this holds, it does not ask for work: it is there, and slow. */
  isHeld = false
  private ended = false
  private readonly done: Promise<void>

  private constructor(
    private readonly server: Server,
    readonly id: string,
    private readonly secret: string,
  ) {
    this.done = this.run()
  }

  static async begin(server: Server, name: string, directory: string, max = 4, branch: string | null = 'main'): Promise<Runner> {
    const made = await server.ask('POST', '/v1/environments/bridge', {
      machine_name: name, directory, branch, git_repo_url: null, max_sessions: max, metadata: { worker_type: 'claude_code' },
    })
    return new Runner(server, made.environment_id, made.environment_secret)
  }

  private async run(): Promise<void> {
    while (!this.ended) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      if (this.isHeld) continue
      try {
        const work = await this.server.ask('GET', `/v1/environments/${this.id}/work/poll?reclaim_older_than_ms=5000`, undefined, this.secret)
        if (work) await this.take(work)
      } catch {
        // The server is away, or said not now.
      }
    }
  }

  private async take(work: Record<string, any>): Promise<void> {
    const secret = JSON.parse(Buffer.from(work.secret, 'base64url').toString())
    await this.server.ask('POST', `/v1/environments/${this.id}/work/${work.id}/ack`, {}, secret.session_ingress_token)
    const agent = await Agent.take(this.server, work.data.id)
    this.agents.set(agent.id, agent)
    void this.onSession(agent)
  }

  async end(): Promise<void> {
    this.ended = true
    this.agents.forEach((agent) => agent.end())
    await this.done
  }
}

/** An agent behind a link. It lives in a page of its own, because Node has no socket that can speak a subprotocol. */
export class Linked {
  private constructor(
    readonly id: string,
    private readonly context: BrowserContext,
  ) {}

  static async begin(server: Server, browser: Browser, name: string): Promise<Linked> {
    const made = await server.ask('POST', '/v1/environments/bridge', { machine_name: name, worker_type: 'acp', bridge_id: 'lab', max_sessions: 1 })
    const context = await browser.newContext()
    const page = await context.newPage()
    await page.goto(`${server.url}/code/icon.svg`)
    const protocol = `rcs.auth.${Buffer.from(server.key).toString('base64url')}`
    const id = await page.evaluate(speak, { url: server.url.replace('http', 'ws'), protocol, id: made.environment_id as string })
    return new Linked(id, context)
  }

  end(): Promise<void> {
    return this.context.close()
  }
}

/** Runs in the page: what a link does, with an agent that repeats its prompts and says where it is. */
function speak({ url, protocol, id }: { url: string; protocol: string; id: string }): Promise<string> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${url}/acp/ws`, [protocol])
    const say = (type: string, payload: unknown) => socket.send(JSON.stringify({ type, payload }))
    let count = 0
    let cwd = '/home/agent'
    let session = ''
    const chunk = (text: string) => say('session_update', { sessionId: session, update: { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } } })
    socket.onopen = () => socket.send(JSON.stringify({ type: 'identify', agent_id: id }))
    socket.onmessage = ({ data }) => {
      const { type, payload, agent_id } = JSON.parse(data as string)
      if (type === 'identified') {
        resolve(agent_id)
      } else if (type === 'ping') socket.send('{"type":"pong"}')
      else if (type === 'connect') say('status', { connected: true, agentInfo: { name: 'qwen-code', title: 'Qwen Code', version: '0.24' }, capabilities: { loadSession: true, sessionCapabilities: { resume: {} } } })
      else if (type === 'new_session') {
        cwd = payload?.cwd ?? '/home/agent'
        session = `conversation-${++count}`
        say('session_created', {
          sessionId: session,
          modes: { currentModeId: payload?.permissionMode ?? 'default', availableModes: [{ id: 'default', name: 'Always ask' }, { id: 'plan', name: 'Plan first' }] },
          models: { currentModelId: 'small', availableModels: [{ modelId: 'small', name: 'Small and fast' }, { modelId: 'large', name: 'Large' }] },
        })
      } else if (type === 'set_session_model') say('model_changed', { modelId: payload.modelId })
      else if (type === 'prompt') {
        const words = payload.content.map((block: { text?: string }) => block.text ?? '').join(' ')
        for (const word of `You said: ${words} (in ${cwd})`.split(/(?<= )/)) chunk(word)
        say('prompt_complete', { stopReason: 'end_turn' })
      }
    }
  })
}
