// Agents behind links, from a viewer's first frame to its last: nothing lost, nothing doubled, nobody reads along.
import assert from "node:assert/strict"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { after, afterEach, before, beforeEach, test } from "node:test"
import { Server } from "../streams/server.mjs"
import { Link } from "./link.mjs"
import { Api, Viewer } from "./viewer.mjs"

const ALICE = "alice-key-for-tests-0001"
const MALLORY = "mallory-key-for-tests-0001"
const BEGUN = ["there", "session_created"]

let server, home, links, viewers, api
before(async () => (server = await Server.start({ RCS_API_KEYS: `${ALICE},${MALLORY}` })))
after(() => server.remove())
// Who runs the file ends it when it takes too long, and then waits for everybody who still has its output.
process.once("SIGTERM", () => {
  server.process.kill("SIGKILL")
  process.exit(1)
})
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "rcs-acp-"))
  links = []
  viewers = []
  api = new Api(server, ALICE)
})
afterEach(() => {
  for (const viewer of viewers) viewer.close()
  for (const link of links) link.end()
  rmSync(home, { recursive: true, force: true })
})

// Each test has a group of its own, so that an agent of an earlier one is nobody's predecessor.
let groups = 0
async function linked(options = {}) {
  const link = new Link(server, ALICE, { group: `lab-${++groups}`, home, ...options })
  links.push(link)
  return await link.connect()
}

async function begun(link) {
  const viewer = await Viewer.begin(server, ALICE, link.environment)
  viewers.push(viewer)
  return viewer
}

async function joined(link, conversation, how) {
  const viewer = await Viewer.join(server, ALICE, link.environment, conversation, how)
  viewers.push(viewer)
  return viewer
}

const lines = (name) => (existsSync(join(home, name)) ? readFileSync(join(home, name), "utf8").trim().split("\n") : [])
// That it is away was recorded: from then on whoever registers may be who it was.
const offline = (link) => api.until(`/api/v1/environments/${link.environment}`, (one) => one.status === "offline")
// How many pieces the agent has said of a conversation, whoever heard them.
const said = (id) => lines(`${id}.jsonl`).filter((line) => line.includes("agent_message_chunk")).length
const words = (from, to) => Array.from({ length: to - from }, (_, at) => `w${from + at}`).join(" ")

test("a prompt is answered, with thoughts and a plan, and a failed one says why", async () => {
  const link = await linked()
  const viewer = await begun(link)
  for (const prompt of ["say one two three", "think so", "plan look leap"]) {
    viewer.prompt(prompt)
    await viewer.hear("ends")
  }
  viewer.prompt("fail")
  await viewer.hear("error")
  assert.deepEqual(viewer.story(), [
    ...BEGUN,
    "says one two three",
    "ends end_turn",
    "thinks hm",
    "says so",
    "ends end_turn",
    "plan look:pending leap:pending",
    "plan look:completed leap:completed",
    "ends end_turn",
    "error Prompt failed: Internal error: the model says no",
  ])
  assert.deepEqual(await api.story(link.session), [
    "posted say one two three",
    "says one two three",
    "ends end_turn",
    "posted think so",
    "thinks hm",
    "says so",
    "ends end_turn",
    "posted plan look leap",
    "plan look:pending leap:pending",
    "plan look:completed leap:completed",
    "ends end_turn",
    "posted fail",
    "error Prompt failed: Internal error: the model says no",
  ])
})

test("a question is allowed by a viewer and denied over the API", async () => {
  const link = await linked()
  const viewer = await begun(link)
  viewer.prompt("tool yes.txt")
  viewer.answer(await viewer.hear("asks"), "bogus")
  await viewer.hear("error")
  viewer.answer(viewer.frames.find((frame) => frame.type === "permission_request"), "yes")
  await viewer.hear("ends")
  viewer.prompt("tool no.txt")
  const question = await viewer.hear("asks")
  const open = (await api.get("/api/v1/permissions")).items
  assert.deepEqual(open.map((one) => [one.request_id, one.tool, one.subject]), [
    [question.payload.requestId, "edit", "no.txt"],
  ])
  const path = `/api/v1/sessions/${link.session}/permissions/${question.payload.requestId}`
  assert.equal((await api.post(path, { decision: "deny" })).status, 200)
  const late = await api.post(path, { decision: "allow" })
  assert.deepEqual([late.status, late.body.winner.verdict], [409, "deny"])
  await viewer.hear("ends")
  assert.deepEqual(viewer.story(), [
    ...BEGUN,
    "tool pending",
    "asks yes.txt",
    'error The agent did not offer the option "bogus".',
    "resolved allowed",
    "tool completed",
    "says wrote yes.txt",
    "ends end_turn",
    "tool pending",
    "asks no.txt",
    "resolved denied",
    "tool failed",
    "says left no.txt",
    "ends end_turn",
  ])
  assert.deepEqual([lines("yes.txt"), lines("no.txt")], [["written"], []])
})

test("a turn is cancelled, in its words and in its question", async () => {
  const link = await linked()
  const viewer = await begun(link)
  viewer.prompt("slow 500 20")
  await viewer.hear("says")
  viewer.say("cancel")
  await viewer.hear("ends")
  viewer.prompt("tool never.txt")
  await viewer.hear("asks")
  assert.equal((await api.post(`/api/v1/sessions/${link.session}/interrupt`, {})).status, 202)
  await viewer.hear("ends")
  viewer.prompt("say after")
  await viewer.hear("ends")
  const story = viewer.story()
  assert.match(story[2], /^says w0/)
  assert.deepEqual(story.slice(3), [
    "ends cancelled",
    "tool pending",
    "asks never.txt",
    "resolved denied",
    "ends cancelled",
    "says after",
    "ends end_turn",
  ])
  assert.deepEqual(lines("never.txt"), [])
})

test("mode and model are switched to what the agent offers, and to nothing else", async () => {
  const link = await linked()
  const viewer = await begun(link)
  const session = `/api/v1/sessions/${link.session}`
  viewer.prompt("slow 500 20")
  await viewer.hear("says")
  assert.equal((await api.post(`${session}/mode`, { mode: "code" })).status, 202)
  await viewer.hear("mode is")
  viewer.say("set_session_model", { modelId: "large" })
  await viewer.hear("model is")
  viewer.say("cancel")
  await viewer.hear("ends")
  const story = viewer.story().filter((line) => !line.startsWith("says"))
  assert.deepEqual(story, [...BEGUN, "mode code", "mode is code", "model is large", "ends cancelled"])
  const shown = await api.get(session)
  assert.deepEqual([shown.mode, shown.model], ["code", "large"])
  for (const [what, offered] of [["mode", "ask, code, yolo"], ["model", "small, large"]]) {
    const refused = await api.post(`${session}/${what}`, { [what]: "nonsense" })
    assert.deepEqual([refused.status, refused.body.field], [400, what])
    assert.ok(refused.body.detail.endsWith(`it offers ${offered}`), refused.body.detail)
  }
  assert.equal((await api.post(`${session}/mode`, { mode: "yolo" })).status, 403)
  // A link that has no words for it is not asked.
  const plain = await linked({ steered: false })
  await begun(plain)
  for (const body of [{ mode: "code" }, { model: "large" }]) {
    const [what] = Object.keys(body)
    const refused = await api.post(`/api/v1/sessions/${plain.session}/${what}`, body)
    assert.deepEqual([refused.status, refused.body.type], [422, "urn:rcs:problem:not-supported"])
  }
  assert.deepEqual(plain.heard.filter((frame) => frame.type.startsWith("set_")), [])
})

test("a late joiner gets the history and the open question, and both are told how it was answered", async () => {
  const link = await linked()
  const first = await begun(link)
  first.prompt("say before")
  await first.hear("ends")
  first.prompt("tool shared.txt")
  await first.hear("asks")
  const second = await joined(link, first.conversation)
  const question = await second.hear("asks")
  second.answer(question, "yes")
  await first.hear("ends")
  await second.hear("ends")
  first.answer(question, "no")
  await first.hear("error")
  const rest = ["resolved allowed", "tool completed", "says wrote shared.txt", "ends end_turn"]
  const history = ["hears say before", "says before", "hears tool shared.txt", "tool pending"]
  assert.deepEqual(second.story(), ["there", ...history, "session_loaded", "asks shared.txt", ...rest])
  const own = ["says before", "ends end_turn", "tool pending", "asks shared.txt", ...rest]
  assert.deepEqual(first.story().slice(0, -1), [...BEGUN, ...own])
  assert.match(first.story().at(-1), /^error .*already decided/)
  assert.deepEqual(lines("shared.txt"), ["written"])
})

test("a server that is killed with an open question has it when it comes back", async () => {
  const link = await linked()
  const viewer = await begun(link)
  viewer.prompt("tool kept.txt")
  const question = await viewer.hear("asks")
  viewer.prompt("say queued")
  await viewer.settle()
  const environment = link.environment
  await server.killAndRestart()
  await link.back(2)
  assert.equal(link.environment, environment)
  const back = await joined(link, viewer.conversation)
  assert.deepEqual(await back.hear("asks"), question)
  back.answer(question, "yes")
  await back.hear("ends")
  await back.hear("ends")
  const story = back.story().filter((line) => !line.startsWith("error The line to this agent was cut"))
  assert.deepEqual(story, [
    "there",
    "hears tool kept.txt",
    "tool pending",
    "hears say queued",
    "session_loaded",
    "asks kept.txt",
    "resolved allowed",
    "tool completed",
    "says wrote kept.txt",
    "ends end_turn",
    "says queued",
    "ends end_turn",
  ])
  assert.deepEqual([lines("prompts.log"), lines("kept.txt")], [["tool kept.txt", "say queued"], ["written"]])
})

test("a server that is killed in mid-turn loses and doubles nothing", async () => {
  const link = await linked()
  const viewer = await begun(link)
  viewer.prompt("long 10 20")
  await viewer.hear("says w5")
  await server.kill()
  // What it says now is said to nobody.
  const gap = said(viewer.conversation)
  while (said(viewer.conversation) < gap + 5) await sleep(10)
  await server.launch()
  await link.back(2)
  // Who was there hears the rest and that there is more; nothing a second time.
  const there = await joined(link, viewer.conversation, "resume")
  writeFileSync(join(home, "now"), "")
  await there.hear("ends")
  await there.hear("error While the line was cut")
  await there.settle()
  const before = viewer.story().slice(BEGUN.length)
  const heard = [...before, ...there.story()].filter((line) => line.startsWith("says")).join(" ").match(/\d+/g).map(Number)
  assert.deepEqual(heard, [...new Set(heard)].sort((one, next) => one - next), "each word once, in order")
  const all = said(viewer.conversation)
  assert.equal(heard.at(-1), all - 1)
  assert.ok(heard.length < all, "some were lost with the line")
  const shape = there.story().filter((line) => !line.startsWith("says"))
  assert.deepEqual(shape.map((line) => line.slice(0, 29)), [
    "there",
    "session_resumed",
    "ends end_turn",
    "error While the line was cut,",
  ])
  // Who comes later hears all of it, once.
  const late = await joined(link, viewer.conversation)
  assert.deepEqual(late.story(), ["there", "hears long 10 20", `says ${words(0, all)}`, "session_loaded"])
  assert.deepEqual(lines("prompts.log"), ["long 10 20"])
})

test("a line that is cut and comes back under a new id goes on with the same session and sockets", async () => {
  const link = await linked()
  const viewer = await begun(link)
  viewer.prompt("say before")
  await viewer.hear("ends")
  const { environment, session } = link
  link.cut()
  await offline(link)
  viewer.prompt("say meanwhile")
  await viewer.settle()
  await link.restore()
  await viewer.hear("ends")
  assert.deepEqual([link.environment, link.session, link.registered.length], [environment, session, 2])
  const story = ["says before", "ends end_turn", "away", "there", "says meanwhile", "ends end_turn"]
  assert.deepEqual(viewer.story(), [...BEGUN, ...story])
  assert.equal((await api.get("/acp/agents")).filter((one) => one.channel_group_id === link.group).length, 1)
  assert.deepEqual(lines("prompts.log"), ["say before", "say meanwhile"])
})

test("a question that was lost with the line ends when the turn is stopped", async () => {
  const link = await linked()
  const viewer = await begun(link)
  viewer.prompt("later lost.txt")
  await viewer.hear("says soon")
  link.cut()
  await offline(link)
  writeFileSync(join(home, "now"), "")
  await link.asked()
  await link.restore()
  await viewer.hear("error The line to this agent was cut")
  await viewer.settle()
  const open = (await api.get("/api/v1/permissions")).items
  assert.deepEqual(open.filter((one) => one.session_id === link.session), [])
  viewer.say("cancel")
  await viewer.hear("ends")
  viewer.prompt("say after")
  await viewer.hear("says after")
  await viewer.hear("ends")
  const story = viewer.story().filter((line) => !line.startsWith("error While the line was cut"))
  assert.deepEqual(story.map((line) => line.slice(0, 36)), [
    ...BEGUN,
    "says soon",
    "away",
    "there",
    "error The line to this agent was cut",
    "ends cancelled",
    "says after",
    "ends end_turn",
  ])
  assert.deepEqual(lines("lost.txt"), [])
})

test("a program that dies is started again and its conversation loaded; one that cannot says so", async () => {
  const gone = "error The agent's program ended, and the turn with it."
  for (const [cannot, back] of [["", "resume_session"], ["resume", "load_session"]]) {
    const link = await linked({ cannot })
    const viewer = await begun(link)
    viewer.prompt("die")
    await viewer.hear("error")
    viewer.prompt("say back")
    await viewer.hear("ends")
    assert.deepEqual(
      viewer.story().filter((line) => !["away", "there"].includes(line)),
      ["session_created", "says last words", gone, "says back", "ends end_turn"],
    )
    assert.equal(link.heard.filter((frame) => frame.type === back).length, 1)
    assert.equal(link.heard.filter((frame) => frame.type === "prompt").length, 2)
  }
  const link = await linked({ cannot: "resume,load" })
  const viewer = await begun(link)
  viewer.prompt("die")
  await viewer.hear("error")
  viewer.prompt("say lost")
  await viewer.hear("error This agent cannot come back")
  await viewer.hear("ends")
  viewer.say("new_session", {})
  await viewer.hear("session_created")
  viewer.prompt("say anew")
  await viewer.hear("ends")
  const story = viewer.story().filter((line) => !["away", "there"].includes(line))
  const notice = "error This agent cannot come back to an earlier conversation"
  assert.deepEqual(story.map((line) => line.slice(0, notice.length)), [
    "session_created",
    "says last words",
    gone,
    notice,
    "ends cancelled",
    "session_created",
    "says anew",
    "ends end_turn",
  ])
})

test("two agents of one machine name stay two, and a viewer of one gets no frame of the other", async () => {
  const one = await linked({ group: "twins" })
  const two = await linked({ group: "twins" })
  assert.notEqual(one.environment, two.environment)
  assert.notEqual(one.session, two.session)
  const [a, b] = [await begun(one), await begun(two)]
  a.prompt("tool private.txt")
  const question = await a.hear("asks")
  b.prompt("say from b")
  await b.hear("ends")
  // Not even knowing its question.
  b.answer(question, "yes")
  await b.hear("error There is no permission request")
  a.answer(question, "no")
  await a.hear("ends")
  await b.settle()
  const asked = ["tool pending", "asks private.txt", "resolved denied", "tool failed", "says left private.txt"]
  assert.deepEqual(a.story(), [...BEGUN, ...asked, "ends end_turn"])
  assert.deepEqual(b.story().slice(0, -1), [...BEGUN, "says from b", "ends end_turn"])
  const group = await api.get("/acp/channel-groups/twins")
  assert.deepEqual([group.member_count, new Set(group.members.map((each) => each.agent_name)).size], [2, 1])
  // Both go and come back at once: nobody guesses which is which, and neither is the other.
  const known = [one.environment, two.environment]
  one.cut()
  two.cut()
  await offline(one)
  await offline(two)
  await Promise.all([one.restore(), two.restore()])
  assert.notEqual(one.environment, two.environment)
  assert.ok(!known.includes(one.environment) && !known.includes(two.environment))
})

test("a second key can neither be the agent nor hear it", async () => {
  const link = await linked()
  const viewer = await begun(link)
  const other = new Api(server, MALLORY)
  assert.deepEqual(await other.get("/acp/agents"), [])
  assert.deepEqual(await other.get("/acp/channel-groups"), [])
  const session = `/api/v1/sessions/${link.session}`
  for (const path of [session, `${session}/events`, `/acp/channel-groups/${link.group}`]) {
    assert.equal((await other.call("GET", path)).status, 404, path)
  }
  assert.equal((await other.post(`${session}/messages`, { content: "say mine" })).status, 404)
  const spy = await Viewer.open(server, MALLORY, link.environment)
  assert.equal(await spy.closed, 4004)
  assert.deepEqual(spy.frames, [{ type: "error", message: "Agent not found or offline" }])
  const thief = new Link(server, MALLORY, { group: link.group, home })
  links.push(thief)
  const claimed = await thief.claim(link.environment)
  assert.deepEqual(claimed, { type: "error", message: "Agent not found" })
  const events = await fetch(`${server.url}/acp/channel-groups/${link.group}/events?from_sequence_num=1`, {
    headers: { authorization: `Bearer ${MALLORY}` },
  })
  viewer.prompt("say secret")
  await viewer.hear("ends")
  // Her own agent in a group of that name speaks after it: what she was to hear is in front of that.
  await thief.connect()
  const own = await Viewer.begin(server, MALLORY, thief.environment)
  viewers.push(own)
  own.prompt("say mine")
  await own.hear("ends")
  const reader = events.body.getReader()
  let heard = ""
  while (!heard.includes("prompt_complete")) heard += Buffer.from((await reader.read()).value).toString()
  await reader.cancel()
  assert.ok(heard.includes("mine") && !heard.includes("secret") && !heard.includes(link.environment), heard)
  assert.deepEqual(viewer.story(), [...BEGUN, "says secret", "ends end_turn"])
})
