// Where the keyboard is after something was drawn anew: in the list, in what an agent asks, in the lists of a server.

import { expect, test, type Page } from '@playwright/test'
import type { Agent } from './agent'
import { begin, server, stage } from './stage'
import { open as openIn, sheet, signedIn as signIn } from './steps'

stage()

const signedIn = (page: Page) => signIn(server, page)
const open = (page: Page, agent: Agent) => openIn(server, page, agent)

test('a session that began to work took the keyboard with it to the beginning of the page', async ({ page }) => {
  const agent = await begin('Moves about')
  await begin('Stays where it is')
  await signedIn(page)
  const row = page.locator(`a.session-card[href="/code/${agent.id}"]`)
  await row.focus()
  await agent.put({ worker_status: 'running' })
  await expect(page.locator('section[aria-labelledby=group-working]')).toContainText('Moves about')
  await expect(row).toBeFocused()
  await agent.ask('Bash', { command: 'make' })
  await expect(page.locator('section[aria-labelledby=group-waiting]')).toContainText('Moves about')
  await expect(row).toBeFocused()
  await page.getByRole('button', { name: 'More for Moves about' }).focus()
  await agent.put({ worker_status: 'idle' })
  await server.ask('PATCH', `/api/v1/sessions/${agent.id}`, { pinned: true })
  await expect(row).toContainText('Moves about')
  await expect(page.getByRole('button', { name: 'More for Moves about' })).toBeFocused()
})

test('a session that was archived elsewhere left the keyboard nowhere', async ({ page }) => {
  const [one, other] = [await begin('Is put away'), await begin('Is next to it')]
  await signedIn(page)
  await page.locator(`a[href="/code/${one.id}"]`).focus()
  await server.ask('POST', `/api/v1/sessions/${one.id}/archive`)
  await expect(page.locator(`a[href="/code/${one.id}"]`)).toHaveCount(0)
  await expect(page.locator('a.session-card:focus')).toHaveCount(1)
  void other
})

test('whoever took the focus away themselves does not get it back', async ({ page }) => {
  const agent = await begin('Let go of')
  await signedIn(page)
  const row = page.locator(`a[href="/code/${agent.id}"]`)
  await row.focus()
  await row.evaluate((element: HTMLElement) => element.blur())
  await agent.put({ worker_status: 'running' })
  await expect(page.locator('section[aria-labelledby=group-working]')).toContainText('Let go of')
  expect(await page.evaluate(() => document.activeElement === document.body)).toBe(true)
})

test('an answer by keys left the keyboard at the beginning of the page', async ({ page }) => {
  const agent = await begin('By keys')
  await agent.ask('Bash', { command: 'echo one' })
  const two = await agent.ask('Bash', { command: 'echo two' })
  await signedIn(page)
  await open(page, agent)
  const allow = sheet(page).getByRole('button', { name: 'Allow once' })
  await allow.click({ trial: true })
  await allow.focus()
  await page.keyboard.press('Enter')
  await expect(sheet(page)).toContainText('echo two')
  await expect.poll(() => page.evaluate(() => document.activeElement?.closest('.sheet') !== null)).toBe(true)
  await allow.click({ trial: true })
  await allow.focus()
  await page.keyboard.press('Enter')
  await agent.answerTo(two)
  await expect(sheet(page)).toHaveCount(0)
  await expect(page.locator('#content')).toBeFocused()
})

test('a question that comes while somebody writes takes nothing from under their hands', async ({ page }) => {
  const agent = await begin('Writing')
  await signedIn(page)
  await open(page, agent)
  const box = page.getByLabel('Message to the agent')
  await box.focus()
  await agent.ask('Bash', { command: 'echo one' })
  await expect(sheet(page)).toBeVisible()
  await expect(box).toBeFocused()
  await sheet(page).getByRole('button', { name: 'Deny…' }).click()
  const words = page.getByLabel('What should the agent do instead?')
  await words.fill('Wait for')
  await agent.ask('Bash', { command: 'echo two' })
  await expect(sheet(page)).toContainText('1 of 2')
  await expect(words).toBeFocused()
  await expect(words).toHaveValue('Wait for')
})

test('a key that was revoked, and a question that was answered no, left the keyboard nowhere', async ({ page }) => {
  await server.ask('POST', '/api/v1/keys', { name: 'Old laptop' })
  await server.ask('POST', '/api/v1/keys', { name: 'Older laptop' })
  await signedIn(page)
  await page.goto(`${server.url}/code/admin/keys`)
  const revoke = page.getByRole('button', { name: 'Revoke: Old laptop' })
  await revoke.focus()
  await page.keyboard.press('Enter')
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).press('Enter')
  await expect(revoke).toBeFocused()
  await page.keyboard.press('Enter')
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).press('Enter')
  await expect(revoke).toHaveCount(0)
  await expect(page.locator('.admin .row button:focus')).toHaveCount(1)
})

test('Escape leaves the menu and goes back to its button', async ({ page }) => {
  await signedIn(page)
  const menu = page.getByRole('button', { name: 'Menu' })
  await menu.press('Enter')
  await page.keyboard.press('Escape')
  await expect(menu).toBeFocused()
})
