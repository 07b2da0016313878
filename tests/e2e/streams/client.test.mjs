// The protocol's own client, over the death of the server: what it follows has no gap and no repetition, and what it
// writes is there once.
import { DurableStream, IdempotentProducer, stream } from "@durable-streams/client"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { KEY, Server } from "./server.mjs"

const KILLS = Number(process.env.RCS_STREAM_KILLS ?? 5)
const headers = { Authorization: `Bearer ${KEY}` }
// The server is back within a second; a client that waits longer only makes the test longer.
const backoffOptions = { initialDelay: 20, maxDelay: 200, multiplier: 1.3, maxRetries: Number.POSITIVE_INFINITY }

let server
beforeEach(async () => {
  server = await Server.start()
})
afterEach(() => server.remove())

async function ask(method, path, body) {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { ...headers, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
  return text ? JSON.parse(text) : undefined
}

// A session with a runner, as ccb makes one.
async function session() {
  const runner = await ask("POST", "/v1/environments/bridge", {
    machine_name: "vm",
    directory: "/src",
    branch: "main",
    git_repo_url: null,
    max_sessions: 4,
    metadata: { worker_type: "claude_code" },
  })
  const created = await ask("POST", "/v1/sessions", {
    title: "followed",
    events: [],
    session_context: { sources: [], outcomes: [] },
    environment_id: runner.environment_id,
    source: "remote-control",
  })
  return created.id
}

// The agent says something; sent again under the same id until it is acknowledged.
async function say(id, number) {
  const uuid = `aaaaaaaa-0000-4000-8000-${String(number).padStart(12, "0")}`
  const content = [{ type: "text", text: `line ${number}` }]
  const events = [{ type: "assistant", uuid, message: { role: "assistant", content } }]
  for (;;) {
    try {
      return await ask("POST", `/v2/session_ingress/session/${id}/events`, { events })
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      await new Promise((retry) => setTimeout(retry, 20))
    }
  }
}

// Follows until told to stop. Long polls the client repeats by itself; a broken event stream it reports, and its user
// goes on from the last offset, which is what offsets are for.
async function follow(url, live, signal, each) {
  let offset = "-1"
  while (!signal.aborted) {
    try {
      const response = await stream({ url, headers, live, offset, backoffOptions, signal })
      response.subscribeJson((batch) => {
        offset = batch.offset
        each(batch.items)
      })
      await response.closed
    } catch (error) {
      if (!signal.aborted && !(error instanceof TypeError)) throw error
    }
  }
}

describe.each(["sse", "long-poll"])("a session followed by %s", (live) => {
  test("is seen whole over every death of the server", async () => {
    const id = await session()
    const seen = []
    let wake = () => {}
    const grown = () => new Promise((done) => (wake = done))
    const stopped = new AbortController()
    const url = `${server.url}/v1/stream/sessions/${id}`
    const following = follow(url, live, stopped.signal, (items) => {
      seen.push(...items)
      wake()
    })
    let said = 0
    for (let kill = 0; kill < KILLS; kill += 1) {
      for (let line = 0; line < 5; line += 1) await say(id, (said += 1))
      // The last one is said to a dying server: it is acknowledged by it, or by the next.
      const last = say(id, (said += 1))
      await server.killAndRestart()
      await last
    }
    const heard = () => seen.filter((event) => event.kind === "message_received").length
    while (heard() < said) await grown()
    stopped.abort()
    await following

    const sequences = seen.map((event) => event.sequence)
    expect(sequences).toEqual(sequences.map((_, index) => index + 1))
    const lines = seen.filter((event) => event.kind === "message_received")
    expect(lines.map((event) => event.payload.message.content[0].text)).toEqual(
      Array.from({ length: said }, (_, index) => `line ${index + 1}`)
    )
  })
})

// The producer leaves it to its user to repeat a request that was not answered; the server knows the repetition.
async function untilAnswered(url, request) {
  for (;;) {
    try {
      const response = await fetch(url, request)
      if (response.status !== 503) return response
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
    }
    await new Promise((retry) => setTimeout(retry, 20))
  }
}

test("a producer's records are there once and in order over every death of the server", async () => {
  const url = `${server.url}/v1/stream/e2e/records`
  const target = await DurableStream.create({ url, headers, contentType: "application/json", backoffOptions })
  const failed = []
  const producer = new IdempotentProducer(target, "producer-1", {
    lingerMs: 1,
    maxInFlight: 1,
    fetch: untilAnswered,
    onError: (error) => failed.push(error),
  })
  let written = 0
  for (let kill = 0; kill < KILLS; kill += 1) {
    const until = written + 200
    const death = new Promise((done) => setTimeout(done, 10 + 15 * kill)).then(() => server.killAndRestart())
    while (written < until) {
      producer.append(JSON.stringify({ n: (written += 1) }))
      if (written % 10 === 0) await producer.flush()
    }
    await death
  }
  await producer.flush()
  expect(failed).toEqual([])
  const all = await (await stream({ url, headers, live: false, backoffOptions })).json()
  expect(all.map((record) => record.n)).toEqual(Array.from({ length: written }, (_, index) => index + 1))
})
