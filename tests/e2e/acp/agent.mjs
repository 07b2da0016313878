// A small agent on the official SDK, over stdio. What it does in a turn is the first word of the prompt:
//   say WORDS        a chunk for each word
//   think WORDS      a thought, then the same
//   plan A B         a plan of two steps, then both done
//   tool NAME        asks whether it may write the file NAME, and writes it once if so
//   later NAME       the same when there is a file `now`, so that the question can be lost
//   slow N MS        N words, one every MS
//   long N MS        the same without an end until there is a file `now`, and then N more
//   fail             the turn ends with an error
//   die              so does the process
// Its conversations are files in AGENT_HOME, so that a new process can load them. What it cannot do is in AGENT_CANNOT.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs"
import { randomUUID } from "node:crypto"
import { join } from "node:path"
import { Readable, Writable } from "node:stream"
import { setTimeout as sleep } from "node:timers/promises"
import { PROTOCOL_VERSION, RequestError, agent, methods, ndJsonStream } from "@agentclientprotocol/sdk"

const home = process.env.AGENT_HOME
const cannot = (process.env.AGENT_CANNOT ?? "").split(",")
const MODES = ["ask", "code", "yolo"].map((id) => ({ id, name: id }))
const MODELS = ["small", "large"]
const open = new Map()

const file = (id) => join(home, `${id}.jsonl`)
const modes = (session) => ({ currentModeId: session.mode, availableModes: MODES })
const configOptions = (session) => [
  {
    id: "model",
    name: "Model",
    category: "model",
    type: "select",
    currentValue: session.model,
    options: MODELS.map((value) => ({ value, name: value })),
  },
]

function begin(id) {
  const session = { id, mode: "ask", model: "small", calls: 0, stop: null }
  open.set(id, session)
  return session
}

function known(id) {
  const session = open.get(id)
  if (!session) throw RequestError.resourceNotFound(id)
  return session
}

// Kept first, then told: what was said once is said again when the conversation is loaded.
async function tell(client, session, update) {
  appendFileSync(file(session.id), `${JSON.stringify(update)}\n`)
  await client.notify(methods.client.session.update, { sessionId: session.id, update })
}

const text = (words) => ({ type: "text", text: words })
const chunk = (words) => ({ sessionUpdate: "agent_message_chunk", content: text(words) })

async function tool(client, session, name, stop) {
  const toolCallId = `${session.id.slice(0, 8)}-${++session.calls}`
  const call = { toolCallId, title: `write ${name}`, kind: "edit", status: "pending", rawInput: { path: name } }
  await tell(client, session, { sessionUpdate: "tool_call", ...call })
  const options = [
    { kind: "allow_once", name: "Yes", optionId: "yes" },
    { kind: "allow_always", name: "Always", optionId: "always" },
    { kind: "reject_once", name: "No", optionId: "no" },
  ]
  const asking = { sessionId: session.id, toolCall: call, options }
  const { outcome } = await client.request(methods.client.session.requestPermission, asking)
  if (outcome.outcome === "cancelled" || stop.aborted) return "cancelled"
  const allowed = outcome.optionId !== "no"
  if (allowed) appendFileSync(join(home, name), "written\n")
  const status = allowed ? "completed" : "failed"
  await tell(client, session, { sessionUpdate: "tool_call_update", toolCallId, status })
  await tell(client, session, chunk(allowed ? `wrote ${name}` : `left ${name}`))
  return "end_turn"
}

async function turn(client, session, verb, rest, stop) {
  switch (verb) {
    case "think":
      await tell(client, session, { sessionUpdate: "agent_thought_chunk", content: text("hm") })
      break
    case "plan":
      for (const status of ["pending", "completed"]) {
        const entries = rest.map((content) => ({ content, priority: "medium", status }))
        await tell(client, session, { sessionUpdate: "plan", entries })
      }
      return "end_turn"
    case "later":
      await tell(client, session, chunk("soon "))
      while (!existsSync(join(home, "now"))) await sleep(10)
      return await tool(client, session, rest[0], stop)
    case "tool":
      return await tool(client, session, rest[0], stop)
    case "slow":
      for (let word = 0; word < Number(rest[0]); word++) {
        if (stop.aborted) return "cancelled"
        await tell(client, session, chunk(`w${word} `))
        await sleep(Number(rest[1]))
      }
      return stop.aborted ? "cancelled" : "end_turn"
    case "long":
      for (let word = 0, left = Number(rest[0]); left > 0; word++) {
        if (existsSync(join(home, "now"))) left--
        await tell(client, session, chunk(`w${word} `))
        await sleep(Number(rest[1]))
      }
      return "end_turn"
    case "fail":
      throw RequestError.internalError({ details: "the model says no" }, "the model says no")
    case "die":
      await tell(client, session, chunk("last words"))
      await sleep(50)
      process.exit(3)
  }
  for (const word of rest) await tell(client, session, chunk(`${word} `))
  return "end_turn"
}

agent({ name: "e2e-agent" })
  .onRequest(methods.agent.initialize, () => ({
    protocolVersion: PROTOCOL_VERSION,
    agentInfo: { name: "e2e-agent", version: "1.0.0" },
    agentCapabilities: {
      loadSession: !cannot.includes("load"),
      promptCapabilities: { image: true },
      sessionCapabilities: cannot.includes("resume") ? { list: {} } : { list: {}, resume: {} },
    },
  }))
  .onRequest(methods.agent.session.new, () => {
    const session = begin(randomUUID())
    writeFileSync(file(session.id), "")
    return { sessionId: session.id, modes: modes(session), configOptions: configOptions(session) }
  })
  .onRequest(methods.agent.session.list, () => ({
    sessions: [...open.keys()].map((sessionId) => ({ sessionId, cwd: home })),
  }))
  .onRequest(methods.agent.session.load, async ({ params, client }) => {
    const id = params.sessionId
    if (!existsSync(file(id))) throw RequestError.resourceNotFound(id)
    for (const line of readFileSync(file(id), "utf8").split("\n").filter(Boolean)) {
      await client.notify(methods.client.session.update, { sessionId: id, update: JSON.parse(line) })
    }
    const session = open.get(id) ?? begin(id)
    return { modes: modes(session), configOptions: configOptions(session) }
  })
  .onRequest(methods.agent.session.resume, ({ params }) => {
    if (!existsSync(file(params.sessionId))) throw RequestError.resourceNotFound(params.sessionId)
    const session = open.get(params.sessionId) ?? begin(params.sessionId)
    return { modes: modes(session), configOptions: configOptions(session) }
  })
  .onRequest(methods.agent.session.setMode, async ({ params, client }) => {
    const session = known(params.sessionId)
    session.mode = params.modeId
    const update = { sessionUpdate: "current_mode_update", currentModeId: session.mode }
    await client.notify(methods.client.session.update, { sessionId: session.id, update })
  })
  .onRequest(methods.agent.session.setConfigOption, ({ params }) => {
    const session = known(params.sessionId)
    if (!MODELS.includes(params.value)) throw RequestError.invalidParams({}, "no such model")
    session.model = params.value
    return { configOptions: configOptions(session) }
  })
  .onRequest(methods.agent.session.prompt, async ({ params, client }) => {
    const session = known(params.sessionId)
    session.stop = new AbortController()
    const said = params.prompt[0]?.text ?? ""
    appendFileSync(join(home, "prompts.log"), `${said}\n`)
    appendFileSync(file(session.id), `${JSON.stringify({ sessionUpdate: "user_message_chunk", content: text(said) })}\n`)
    const [verb, ...rest] = said.split(" ")
    return { stopReason: await turn(client, session, verb, rest, session.stop.signal) }
  })
  .onNotification(methods.agent.session.cancel, ({ params }) => open.get(params.sessionId)?.stop?.abort())
  .connect(ndJsonStream(Writable.toWeb(process.stdout), Readable.toWeb(process.stdin)))

process.stdin.on("end", () => process.exit(0))
