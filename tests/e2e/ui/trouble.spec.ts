// Tunnels, gaps, lost answers and killed servers: what is said goes once, and nothing is missing.

import { expect, test } from '@playwright/test'
import { begin, server, stage } from './stage'
import { accessible, open, signedIn } from './steps'

stage()

test('a message from a tunnel is sent exactly once, and another is taken back in time', async ({ page, context }) => {
  const agent = await begin('Tunnel')
  await signedIn(server, page)
  await open(server, page, agent)
  const box = page.getByRole('textbox', { name: 'Message to the agent' })
  await expect(page.getByText('The agent is connected').or(page.getByText('Nothing was said yet.')).first()).toBeVisible()
  await context.setOffline(true)
  await box.fill('From the tunnel')
  await box.press('Enter')
  await box.fill('Never mind this one')
  await box.press('Enter')
  await expect(page.locator('.is-later')).toHaveCount(2)
  await expect(page.getByText('Will be sent when there is a connection').first()).toBeVisible()
  await page.locator('.is-later').filter({ hasText: 'Never mind' }).getByRole('button', { name: 'Cancel' }).click()
  await accessible(page)
  await context.setOffline(false)
  await expect.poll(() => agent.prompts).toEqual(['From the tunnel'])
  await expect(page.locator('.is-later')).toHaveCount(0)
  await expect(page.locator('.mine')).toHaveCount(1)
})

test('a gap in the log is said, and the conversation goes on behind it', { tag: '@once' }, async ({ page, context }) => {
  const agent = await begin('Gap')
  await signedIn(server, page)
  await open(server, page, agent)
  await agent.say('Before the gap')
  await expect(page.getByText('Before the gap')).toBeVisible()
  const { epoch, latest } = await server.ask('GET', `/api/v1/sessions/${agent.id}/events?after=latest`)
  await context.setOffline(true)
  await agent.say('Forgotten meanwhile')
  await agent.say('Behind the gap')
  // What a server answers that kept only the last of these.
  let refused = false
  await page.route(`**/events?after=${latest}&**`, async (route) => {
    if (refused) return route.continue()
    refused = true
    const problem = { type: 'urn:rcs:problem:gap', title: 'x', status: 410, detail: 'x', earliest: latest + 2, latest: latest + 2, epoch }
    await route.fulfill({ status: 410, contentType: 'application/problem+json', body: JSON.stringify(problem) })
  })
  await context.setOffline(false)
  await expect(page.getByRole('alert')).toContainText('no longer kept')
  await expect(page.getByText('Behind the gap')).toBeVisible()
  await expect(page.getByText('Forgotten meanwhile')).toHaveCount(0)
})

test('an answer that was lost on the way back does not send a message twice', { tag: '@once' }, async ({ page }) => {
  const agent = await begin('Lost reply')
  await signedIn(server, page)
  // No log either: nothing else tells the app that the message is there.
  await page.route('**/events?**', (route) => route.abort())
  await open(server, page, agent)
  let lost = 0
  await page.route('**/messages', async (route) => {
    if (lost++ > 0) return route.continue()
    // The server has it; the phone never hears of that.
    await route.fetch()
    await route.abort('connectionreset')
  })
  const box = page.getByRole('textbox', { name: 'Message to the agent' })
  await box.fill('Only once')
  await box.press('Enter')
  await expect.poll(() => lost).toBeGreaterThan(1)
  await page.unroute('**/events?**')
  await expect(page.locator('.mine')).toContainText('Seen by the agent')
  expect(agent.prompts).toEqual(['Only once'])
  await expect(page.locator('.mine')).toHaveCount(1)
})

test('the server is killed in the middle of a sentence, and nothing is missing or there twice', { tag: '@once' }, async ({ page }) => {
  const agent = await begin('Crash')
  await signedIn(server, page)
  await open(server, page, agent)
  await agent.say('Before the crash')
  await expect(page.getByText('Before the crash')).toBeVisible()
  await server.kill()
  const box = page.getByRole('textbox', { name: 'Message to the agent' })
  await box.fill('While it was down')
  await box.press('Enter')
  await expect(page.locator('.is-later')).toHaveCount(1)
  await server.launch()
  await agent.say('After the crash')
  await expect(page.getByText('After the crash')).toBeVisible()
  await expect.poll(() => agent.prompts).toEqual(['While it was down'])
  await expect(page.locator('.mine')).toHaveCount(1)
  await expect(page.getByText('Before the crash')).toHaveCount(1)
})

test('what was missed is caught up, and said', { tag: '@once' }, async ({ page, context }) => {
  const agent = await begin('Missed')
  await signedIn(server, page)
  await open(server, page, agent)
  await agent.say('Here')
  await expect(page.getByText('Here', { exact: true })).toBeVisible()
  await context.setOffline(true)
  for (let index = 0; index < 5; index++) await agent.say(`Missed ${index}`)
  await context.setOffline(false)
  await expect(page.getByText('Missed 4')).toBeVisible()
  await expect(page.getByText(/Caught up: \d+ events?/)).toBeVisible()
  await expect(page.getByText('Missed 0')).toHaveCount(1)
})
