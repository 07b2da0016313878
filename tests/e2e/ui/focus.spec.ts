// What is opened with a key has the focus when it is there, and not when it was drawn: somebody who types on loses no
// letter of it, also where a frame takes its time. Letters beside a field are shortcuts, so a lost one does harm.

import { expect, test, type Locator } from '@playwright/test'
import type { Agent } from './agent'
import { begin, server, stage } from './stage'
import { open, signedIn } from './steps'

let agent: Agent

stage()

test.beforeAll(async () => {
  agent = await begin('Typed at once')
  await agent.introduce(['compact', 'context'])
})

/** Where the next key would go after this was clicked, before a frame is drawn. */
function next(button: Locator): Promise<string> {
  return button.evaluate(async (element: HTMLElement) => {
    element.focus()
    element.click()
    await new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel()
      port1.onmessage = resolve
      port2.postMessage(null)
    })
    const at = document.activeElement!
    return at.getAttribute('aria-label') ?? (at.closest('label') ?? at).textContent ?? at.tagName
  })
}

test('fields have the focus as soon as they are there', { tag: '@once' }, async ({ page }) => {
  await signedIn(server, page)
  expect(await next(page.getByRole('button', { name: 'Menu' }))).toMatch(/^Language/)
  await page.keyboard.press('Escape')
  expect(await next(page.getByRole('button', { name: 'More for Typed at once' }))).toBe('Pin')
  expect(await next(page.locator('.row-menu').getByRole('button', { name: 'Rename' }))).toBe('New title')
  await page.keyboard.press('Escape')
  await agent.ask('Bash', { command: 'ls' })
  await open(server, page, agent)
  expect(await next(page.getByRole('button', { name: 'Deny…' }))).toMatch(/^What should the agent do instead/)
  await page.goto(`${server.url}/code/admin/keys`)
  await next(page.getByRole('button', { name: 'New key' }))
  expect(await page.evaluate(() => document.activeElement?.id)).toBe('key-name')
})

test('a question of the app takes the next key, and not what is behind it', { tag: '@once' }, async ({ page }) => {
  await signedIn(server, page)
  await page.getByRole('button', { name: 'More for Typed at once' }).click()
  expect(await next(page.locator('.row-menu').getByRole('button', { name: 'Archive' }))).toBe('Cancel')
})

test('words that follow a chosen command stand behind it', { tag: '@once' }, async ({ page }) => {
  await signedIn(server, page)
  await open(server, page, agent)
  const box = page.getByLabel('Message to the agent')
  await box.pressSequentially('/comp')
  await expect(page.getByRole('listbox', { name: 'Commands of the agent' }).getByRole('option')).toHaveText(['/compact'])
  const at = await box.evaluate(async (field: HTMLTextAreaElement) => {
    field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }))
    await new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel()
      port1.onmessage = resolve
      port2.postMessage(null)
    })
    const at = [field.value, field.selectionStart]
    // Somebody goes back to the beginning; nothing may take them away from there.
    field.setSelectionRange(0, 0)
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))
    return [...at, field.selectionStart]
  })
  expect(at).toEqual(['/compact ', 9, 0])
})
