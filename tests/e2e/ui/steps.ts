// What every story begins with: somebody is let in, a session is opened; and what every screen has to stand.

import { AxeBuilder } from '@axe-core/playwright'
import { expect, type Browser, type BrowserContext, type Page } from '@playwright/test'
import type { Agent } from './agent'
import type { Server } from './server'

/** A fresh link that lets one browser in. */
export async function link(server: Server): Promise<string> {
  const made = await server.ask('POST', '/api/v1/login-links', {})
  const secret = made.url.split('#')[1]
  return `${server.url}/code/login#${secret}`
}

export async function signedIn(server: Server, page: Page): Promise<void> {
  await page.goto(await link(server))
  await expect(page).toHaveURL(`${server.url}/code/`)
}

export async function open(server: Server, page: Page, agent: Agent): Promise<void> {
  await page.goto(`${server.url}/code/${agent.id}`)
  await expect(page.getByRole('log')).toBeVisible()
}

/** Somebody else's browser, on a phone. */
export async function another(server: Server, browser: Browser, agent: string): Promise<{ context: BrowserContext; page: Page }> {
  const context = await browser.newContext({ userAgent: agent, viewport: { width: 390, height: 844 } })
  const page = await context.newPage()
  await signedIn(server, page)
  return { context, page }
}

/** No serious fault for those who do not see or do not point. */
export async function accessible(page: Page): Promise<void> {
  const found = await new AxeBuilder({ page }).analyze()
  const grave = found.violations.filter((violation) => ['serious', 'critical'].includes(violation.impact ?? ''))
  expect(grave.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`)).toEqual([])
}
