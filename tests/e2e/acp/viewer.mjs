// Those who look on: over the relay's WebSocket as the browser client does, and over `/api/v1`. What both saw is told as
// a story, one line for each thing that happened, so that a test can compare all of it.
import { setTimeout as sleep } from "node:timers/promises"
import WebSocket from "ws"
import { protocol } from "./link.mjs"

const PATIENCE = 20_000

// One line for a frame; nothing for those that only keep a socket awake.
function line({ type, payload }) {
  switch (type) {
    case "session_update": {
      const { update } = payload
      const words = update.content?.text
      switch (update.sessionUpdate) {
        case "agent_message_chunk":
          return `says ${words}`
        case "agent_thought_chunk":
          return `thinks ${words}`
        case "user_message_chunk":
          return `hears ${words}`
        case "tool_call":
        case "tool_call_update":
          return `tool ${update.status}`
        case "plan":
          return `plan ${update.entries.map((entry) => `${entry.content}:${entry.status}`).join(" ")}`
        case "current_mode_update":
          return `mode ${update.currentModeId}`
        default:
          return update.sessionUpdate
      }
    }
    case "status":
      return payload.connected ? "there" : "away"
    case "permission_request":
      return `asks ${payload.toolCall.rawInput.path}`
    case "permission_resolved":
      return `resolved ${payload.outcome}`
    case "prompt_complete":
      return `ends ${payload.stopReason}`
    case "mode_changed":
      return `mode is ${payload.modeId}`
    case "config_option_changed":
      return `${payload.configId} is ${payload.value}`
    case "error":
      return `error ${payload?.message ?? ""}`.slice(0, 100)
    default:
      return type
  }
}

// Pieces of one utterance are one line.
function joined(lines) {
  const all = []
  for (const next of lines.filter(Boolean)) {
    if (next.startsWith("says ") && all.at(-1)?.startsWith("says ")) all[all.length - 1] += next.slice(5)
    else all.push(next)
  }
  return all.map((one) => one.trim())
}

export class Viewer {
  static async open(server, key, agent) {
    const viewer = new Viewer()
    viewer.frames = []
    viewer.mark = 0
    viewer.socket = new WebSocket(`${server.url.replace("http", "ws")}/acp/relay/${agent}`, [protocol(key)])
    viewer.socket.on("message", (data) => {
      const frame = JSON.parse(String(data))
      if (!["keep_alive", "pong"].includes(frame.type)) viewer.frames.push(frame)
      if (frame.type === "pong") viewer.pongs = (viewer.pongs ?? 0) + 1
      viewer.look?.()
    })
    viewer.closed = new Promise((done) => viewer.socket.on("close", done))
    await new Promise((done, failed) => viewer.socket.on("open", done).on("error", failed))
    return viewer
  }

  static async connected(server, key, agent) {
    const viewer = await Viewer.open(server, key, agent)
    viewer.say("connect")
    await viewer.hear("there")
    return viewer
  }

  // In a conversation of its own.
  static async begin(server, key, agent) {
    const viewer = await Viewer.connected(server, key, agent)
    viewer.say("new_session", {})
    await viewer.hear("session_created")
    viewer.conversation = viewer.frames.at(-1).payload.sessionId
    return viewer
  }

  // In one that is there: with its history, or without.
  static async join(server, key, agent, conversation, how = "load") {
    const viewer = await Viewer.connected(server, key, agent)
    viewer.conversation = conversation
    viewer.say(`${how}_session`, { sessionId: conversation })
    await viewer.hear(how === "load" ? "session_loaded" : "session_resumed")
    return viewer
  }

  say(type, payload) {
    this.socket.send(JSON.stringify({ type, payload }))
  }

  prompt(text) {
    this.say("prompt", { content: [{ type: "text", text }] })
  }

  answer(question, optionId) {
    const outcome = { outcome: "selected", optionId }
    this.say("permission_response", { requestId: question.payload.requestId, outcome })
  }

  // Waits for a frame behind the last one that was waited for whose line begins like this.
  async hear(begin) {
    const found = () => this.frames.findIndex((frame, at) => at >= this.mark && line(frame).startsWith(begin))
    await this.until(() => found() >= 0, begin)
    const at = found()
    this.mark = at + 1
    return this.frames[at]
  }

  // Waits until everything that is on its way is there.
  async settle() {
    const before = this.pongs ?? 0
    this.say("ping")
    await this.until(() => (this.pongs ?? 0) > before, "a pong")
  }

  async until(holds, what) {
    const late = sleep(PATIENCE, null, { ref: false }).then(() => {
      throw new Error(`${what} did not come; heard so far: ${JSON.stringify(this.story(), null, 1)}`)
    })
    late.catch(() => {})
    while (!holds()) await Promise.race([new Promise((done) => (this.look = done)), late])
  }

  story() {
    return joined(this.frames.map(line))
  }

  close() {
    this.socket.terminate()
  }
}

export class Api {
  constructor(server, key) {
    Object.assign(this, { server, key })
  }

  async call(method, path, body) {
    const answer = await fetch(`${this.server.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.key}`, "content-type": "application/json" },
      body: body && JSON.stringify(body),
    })
    const text = await answer.text()
    return { status: answer.status, body: text ? JSON.parse(text) : null }
  }

  async get(path) {
    const { status, body } = await this.call("GET", path)
    if (status !== 200) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`)
    return body
  }

  post(path, body) {
    return this.call("POST", path, body)
  }

  async history(session) {
    const all = []
    for (let after = 0; ; ) {
      const { events, next } = await this.get(`/api/v1/sessions/${session}/events?after=${after}&limit=500`)
      if (events.length === 0) return all
      all.push(...events)
      after = next
    }
  }

  async story(session) {
    const told = (await this.history(session)).map(({ kind, payload, data }) => {
      switch (kind) {
        case "message_received":
          return line(payload)
        case "message_posted":
          return `posted ${payload.content?.[0]?.text ?? payload.content}`
        case "permission_requested":
          return line(payload)
        case "permission_decided":
          return `decided ${data.verdict}`
        case "control_answered":
          return data.ok ? "changed" : "not changed"
        case "turn_torn":
          return "torn"
        case "permission_cancelled":
          return "question withdrawn"
        default:
          return null
      }
    })
    return joined(told)
  }

  async until(path, holds) {
    for (let tries = 0; ; tries++) {
      const body = await this.get(path)
      if (holds(body)) return body
      if (tries > 400) throw new Error(`${path} stayed ${JSON.stringify(body, null, 1)}`)
      await sleep(25)
    }
  }
}
