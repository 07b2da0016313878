// Hours of words while a page is open: what it holds is bounded, whether one reads along or stays further up.

import { expect, test, type CDPSession, type Page } from '@playwright/test'
import { Agent } from './agent'
import { server, stage } from './stage'
import { open, signedIn } from './steps'

/** About an hour of an agent that never stops, a round: each is messages of which each was written word by word. */
const ROUNDS = 6
const MESSAGES = 4_000
/** What a page may hold more after the last round than after the second, in bytes. It holds some thousand messages. */
const GROWTH_MAX = 16 * 1_024 * 1_024

// A trace takes pictures of the whole page all the time; with thousands of items that is all it then does.
test.use({ trace: 'off' })

stage()

/** What the page's scripts hold when everything that can be thrown away was. */
async function held(cdp: CDPSession): Promise<number> {
  await cdp.send('HeapProfiler.collectGarbage')
  const { usedSize } = await cdp.send('Runtime.getHeapUsage')
  return usedSize
}

async function drawn(page: Page): Promise<number> {
  return page.locator('.item').count()
}

test('an hour of words while one reads along, and an hour while one reads further up', { tag: '@once' }, async ({ page }) => {
  test.setTimeout(300_000)
  const agent = await Agent.begin(server, 'Never stops')
  await agent.bulk(500)
  await signedIn(server, page)
  await open(server, page, agent)
  await expect(page.getByText('Line 499', { exact: true })).toBeVisible()
  const cdp = await page.context().newCDPSession(page)
  const told: string[] = []
  const round = async (name: string) => {
    await agent.bulk(MESSAGES, name)
    await agent.stream(`The last words of ${name}.`, 5)
    await expect(page.getByText(`The last words of ${name}.`)).toHaveCount(1, { timeout: 60_000 })
    const [bytes, items] = [await held(cdp), await drawn(page)]
    told.push(`${name}: ${(bytes / 1_048_576).toFixed(1)} MiB, ${items} items`)
    return bytes
  }
  const sizes: number[] = []
  for (let n = 0; n < ROUNDS; n++) sizes.push(await round(`round ${n}`))
  expect(sizes.at(-1)! - sizes[1]!, told.join('; ')).toBeLessThan(GROWTH_MAX)
  expect(await drawn(page)).toBeLessThan(7_000)

  // Somebody stays where they read; what comes below them is counted and must not be kept without end.
  const log = page.getByRole('log')
  await log.evaluate((element) => element.scrollTo(0, element.scrollHeight / 2))
  // Counted, here and below: whatever else is expected and not there yet has the whole page told each time it is looked
  // for, and with thousands of items that takes a minute.
  await expect(page.getByRole('button', { name: 'Latest' })).toHaveCount(1)
  const above: number[] = []
  for (let n = 0; n < ROUNDS; n++) {
    await agent.bulk(MESSAGES, `above ${n}`)
    await agent.say(`The end of above ${n}`)
    const below = ((n + 1) * (MESSAGES + 1)).toLocaleString('en-GB')
    await expect(page.getByRole('button', { name: `${below} new` })).toHaveCount(1, { timeout: 60_000 })
    above.push(await held(cdp))
    told.push(`above ${n}: ${(above.at(-1)! / 1_048_576).toFixed(1)} MiB, ${await drawn(page)} items`)
  }
  console.log(told.join('\n'))
  expect(above.at(-1)! - above[1]!, told.join('; ')).toBeLessThan(GROWTH_MAX)
  await page.getByRole('button', { name: / new$/ }).click()
  const end = page.getByText(`The end of above ${ROUNDS - 1}`)
  await expect(end).toHaveCount(1)
  await expect(end).toBeInViewport()
})
