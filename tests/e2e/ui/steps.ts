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

/** Where one writes to the agent. */
export const box = (page: Page) => page.getByLabel('Message to the agent')

/** What the agent asks for. */
export const sheet = (page: Page) => page.getByRole('region', { name: 'The agent asks' })

/** The smallest picture there is. */
export const DOT = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64')

export async function pick(page: Page, ...files: { name: string; mimeType: string; buffer: Buffer }[]): Promise<void> {
  await page.locator('[data-pick=files]').setInputFiles(files)
}

/** How an iPhone's browser says who it is; the app calls it by that. */
export const IPHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile Safari/604'

/** Somebody else's browser, on a phone. */
export async function another(server: Server, browser: Browser, agent = IPHONE): Promise<{ context: BrowserContext; page: Page }> {
  const context = await browser.newContext({ userAgent: agent, viewport: { width: 390, height: 844 } })
  const page = await context.newPage()
  await signedIn(server, page)
  return { context, page }
}

/** What is seriously wrong for those who do not see or do not point, by all rules or by these. */
export async function faults(page: Page, rules: string[] = []): Promise<string[]> {
  // The other mode opens one more tab for each look, for frames from elsewhere: there are none, and it takes the screen.
  const axe = new AxeBuilder({ page }).setLegacyMode()
  const found = await (rules.length > 0 ? axe.withRules(rules) : axe).analyze()
  const grave = found.violations.filter((violation) => ['serious', 'critical'].includes(violation.impact ?? ''))
  return grave.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`)
}

/** No serious fault for those who do not see or do not point. */
export async function accessible(page: Page): Promise<void> {
  expect(await faults(page)).toEqual([])
}

/** Nothing is being fetched, moves or fades any more: what is there is what somebody sees. */
export async function settled(page: Page): Promise<void> {
  await expect(page.locator('[aria-busy=true]')).toHaveCount(0)
  await page.evaluate(async () => {
    await document.fonts.ready
    const isSeen = ({ top, bottom }: DOMRect) => bottom > 0 && top < innerHeight
    const seen = [...document.images].filter((image) => image.checkVisibility() && isSeen(image.getBoundingClientRect()))
    await Promise.all(seen.map((image) => image.decode().catch(() => undefined)))
    const ending = document.getAnimations().filter((one) => Number.isFinite(one.effect?.getComputedTiming().endTime))
    await Promise.all(ending.map((one) => one.finished.catch(() => undefined)))
    for (let frames = 0; frames < 2; frames++) await new Promise(requestAnimationFrame)
  })
}
