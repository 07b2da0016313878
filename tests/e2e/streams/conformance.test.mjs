// The protocol's own suite, all of it.
import { runConformanceTests } from "@durable-streams/server-conformance-tests"
import { afterAll, beforeAll } from "vitest"

import { Server } from "./server.mjs"

// The suite looks at the URL when a test runs, so it may be known later than the tests.
const options = { baseUrl: "", longPollTimeoutMs: 20_000, subscriptions: true }
let server

beforeAll(async () => {
  server = await Server.start({
    RCS_STREAMS_ANONYMOUS: "read,append,create,delete",
    // The suite receives its webhooks on this machine.
    RCS_WEBHOOK_PRIVATE_TARGETS: "loopback",
  })
  options.baseUrl = server.url
})

afterAll(() => server.remove())

runConformanceTests(options)
