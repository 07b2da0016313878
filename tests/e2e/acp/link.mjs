// What links do as far as a server can tell: ACP with a program over stdio, frames of a private vocabulary over a
// WebSocket, a registration under a new id after every cut, and not a word kept of what was said while the line was
// down. One conversation at a time is the current one, for all that is said through the line.
import { spawn } from "node:child_process"
import { dirname, join } from "node:path"
import { Readable, Writable } from "node:stream"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { PROTOCOL_VERSION, client, methods, ndJsonStream } from "@agentclientprotocol/sdk"
import WebSocket from "ws"

const OURS = [process.execPath, join(dirname(fileURLToPath(import.meta.url)), "agent.mjs")]
export const protocol = (key) => `rcs.auth.${Buffer.from(key).toString("base64url")}`
let questions = 0

export class Link {
  // `steered`: it has words for modes and options, and says so. `command`: another agent than ours.
  constructor(server, key, { name = "node", group = "lab", home, cannot = "", steered = true, command = OURS }) {
    Object.assign(this, { server, key, name, group, home, cannot, steered, command })
    this.wanted = true
    this.open = new Map()
    this.heard = []
    this.registered = []
  }

  // Registers and identifies, again and again until it is known.
  async connect() {
    while (this.wanted) {
      try {
        await this.dial()
        return this
      } catch {
        await sleep(100)
      }
    }
    return this
  }

  async dial() {
    const body = { machine_name: this.name, worker_type: "acp", bridge_id: this.group, max_sessions: 1 }
    const answer = await fetch(`${this.server.url}/v1/environments/bridge`, {
      method: "POST",
      headers: { authorization: `Bearer ${this.key}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    })
    if (!answer.ok) throw new Error(`refused with ${answer.status}`)
    const { environment_id, session_id } = await answer.json()
    this.registered.push(environment_id)
    this.session = session_id
    const socket = new WebSocket(`${this.server.url.replace("http", "ws")}/acp/ws`, [protocol(this.key)])
    await new Promise((done, failed) => {
      socket.on("error", failed)
      socket.on("close", () => {
        failed(new Error("closed"))
        if (this.socket === socket) this.socket = null
        if (this.wanted && this.known === socket) void this.connect()
      })
      socket.on("open", () => socket.send(JSON.stringify({ type: "identify", agent_id: environment_id })))
      socket.on("message", (data) => {
        const frame = JSON.parse(String(data))
        if (frame.type === "identified") {
          this.environment = frame.agent_id
          this.socket = this.known = socket
          done()
        } else if (frame.type !== "keep_alive") {
          this.heard.push(frame)
          void this.hear(frame)
        }
      })
    })
  }

  // Says that it is an agent that somebody else registered; the answer.
  async claim(environment) {
    const socket = new WebSocket(`${this.server.url.replace("http", "ws")}/acp/ws`, [protocol(this.key)])
    const answer = await new Promise((done, failed) => {
      socket.on("error", failed)
      socket.on("open", () => socket.send(JSON.stringify({ type: "identify", agent_id: environment })))
      socket.on("message", (data) => done(JSON.parse(String(data))))
    })
    socket.terminate()
    return answer
  }

  // Ends the line without a word, and keeps it down until `restore`.
  cut() {
    this.wanted = false
    this.socket?.terminate()
    this.socket = null
  }

  // Waits until its line is there again, under so many different ids by now.
  async back(ids) {
    while (!this.socket || new Set(this.registered).size < ids) await sleep(20)
  }

  // Waits until its agent has a question that nobody answered.
  async asked() {
    while (this.open.size === 0) await sleep(10)
  }

  restore() {
    this.wanted = true
    return this.connect()
  }

  end() {
    this.cut()
    this.process?.kill("SIGKILL")
  }

  say(type, payload) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type, payload }))
  }

  async hear({ type, payload }) {
    switch (type) {
      case "ping":
        return this.say("pong")
      case "connect":
        return await this.start()
      case "permission_response":
        this.open.get(payload.requestId)?.(payload.outcome)
        this.open.delete(payload.requestId)
        return
      case "cancel":
        this.takeBack()
        return await this.agent?.notify(methods.agent.session.cancel, { sessionId: this.current })
    }
    try {
      await this.ask(type, payload)
    } catch (error) {
      const failed = { prompt: "Prompt failed", new_session: "Failed to create session" }[type] ?? "Failed"
      this.say("error", { message: `${failed}: ${error.message}` })
    }
  }

  async ask(type, payload) {
    if (!this.agent) return this.say("error", { message: "Not connected to agent" })
    const asked = { cwd: this.home, mcpServers: [] }
    const { session } = methods.agent
    const returned = { load_session: ["session_loaded", session.load], resume_session: ["session_resumed", session.resume] }
    switch (type) {
      case "new_session": {
        const created = await this.agent.request(session.new, asked)
        this.current = created.sessionId
        return this.say("session_created", { ...created, promptCapabilities: { image: true }, models: null })
      }
      case "load_session":
      case "resume_session": {
        const [word, method] = returned[type]
        await this.agent.request(method, { ...asked, sessionId: payload.sessionId })
        this.current = payload.sessionId
        return this.say(word, { sessionId: payload.sessionId, promptCapabilities: { image: true }, models: null })
      }
      case "list_sessions":
        return this.say("session_list", await this.agent.request(session.list, {}))
      case "prompt": {
        if (!this.current) return this.say("error", { message: "No active session" })
        const ended = await this.agent.request(session.prompt, { sessionId: this.current, prompt: payload.content })
        return this.say("prompt_complete", ended)
      }
      case "set_session_mode":
        await this.agent.request(session.setMode, { sessionId: this.current, modeId: payload.modeId })
        return this.say("mode_changed", payload)
      case "set_config_option": {
        const changed = await this.agent.request(session.setConfigOption, { sessionId: this.current, ...payload })
        return this.say("config_option_changed", { ...payload, ...changed })
      }
      // What it does not know it does not answer.
    }
  }

  async start() {
    if (this.agent) {
      return this.say("status", { ...this.status, agentInfo: { name: this.name } })
    }
    const env = { ...process.env, AGENT_HOME: this.home, AGENT_CANNOT: this.cannot }
    const [command, ...words] = this.command
    const program = spawn(command, words, { env, cwd: this.home, stdio: ["pipe", "pipe", "inherit"] })
    this.process = program
    const stream = ndJsonStream(Writable.toWeb(program.stdin), Readable.toWeb(program.stdout))
    const connection = client({ name: "e2e-link" })
      .onNotification(methods.client.session.update, ({ params }) => this.say("session_update", params))
      .onRequest(methods.client.session.requestPermission, async ({ params }) => {
        const requestId = `perm_${Date.now()}_${++questions}`
        const answered = new Promise((answer) => this.open.set(requestId, answer))
        this.say("permission_request", { requestId, ...params })
        return { outcome: await answered }
      })
      .connect(stream)
    connection.closed.then(() => {
      if (this.process !== program) return
      this.agent = this.current = null
      this.takeBack()
      this.say("status", { connected: false })
    })
    const known = await connection.agent.request(methods.agent.initialize, {
      protocolVersion: PROTOCOL_VERSION,
      clientCapabilities: {},
    })
    this.agent = connection.agent
    this.status = { connected: true, agentInfo: known.agentInfo, capabilities: known.agentCapabilities }
    if (this.steered) this.status.words = ["set_session_mode", "set_config_option"]
    return this.say("status", this.status)
  }

  takeBack() {
    for (const answer of this.open.values()) answer({ outcome: "cancelled" })
    this.open.clear()
  }
}
