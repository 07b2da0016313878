// What every file of stories stands on: a server of its own, the agents that live on it, and their end. A worker tells one
// file after the other, so there is one stage at a time.

import { test } from '@playwright/test'
import { Agent } from './agent'
import { Server } from './server'

export let server: Server
/** What ends with the file, before its server does. */
export const ending: { end(): unknown }[] = []

/** Sets it for the file that calls this. */
export function stage(variables: Record<string, string> = {}): void {
  test.beforeAll(async () => {
    server = await Server.start(variables)
  })
  test.afterAll(async () => {
    for (const one of ending.splice(0)) await one.end()
    await server.end()
  })
}

/** A session with an agent that does as it is told, on this machine or on none. */
export async function begin(title: string, home?: string): Promise<Agent> {
  const agent = await Agent.begin(server, title, home)
  ending.push(agent)
  return agent
}
