// The app around its sessions: who is let in, what needs them, in which language, and without a server.

import { expect, test } from '@playwright/test'
import { Agent } from './agent'
import { machine } from './scenes'
import { begin, ending, server, stage } from './stage'
import { accessible, another, link, signedIn } from './steps'

stage()

test('the link that the server prints lets one browser in, once', async ({ page, browser }) => {
  const printed = server.link
  const elsewhere: string[] = []
  page.on('request', (request) => {
    if (!request.url().startsWith(server.url)) elsewhere.push(request.url())
  })
  const problems: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' && !/401/.test(message.text())) problems.push(message.text())
  })
  await page.goto(printed)
  await expect(page).toHaveURL(`${server.url}/code/`)
  await expect(page.getByText('No sessions yet')).toBeVisible()
  await accessible(page)
  const cookies = await page.context().cookies(`${server.url}/api/v1/me`)
  expect(cookies).toMatchObject([{ name: 'rcs_device', httpOnly: true, sameSite: 'Strict', path: '/api/v1' }])
  const second = await browser.newContext()
  const late = await second.newPage()
  await late.goto(printed)
  await expect(late.getByRole('alert')).toContainText('login link')
  await accessible(late)
  await late.goto(await link(server))
  await expect(late.getByText('No sessions yet')).toBeVisible()
  await late.getByRole('button', { name: 'Menu' }).click()
  await late.getByRole('button', { name: 'Sign out' }).click()
  await late.getByLabel('API key').fill(server.key)
  await late.getByRole('button', { name: 'Sign in' }).click()
  await expect(late.getByText('No sessions yet')).toBeVisible()
  expect(elsewhere).toEqual([])
  expect(problems).toEqual([])
  await second.close()
})

test('signing out another device ends it, and signing out everywhere ends all', async ({ page, browser }) => {
  await signedIn(server, page)
  const phone = await another(server, browser)
  await page.goto(`${server.url}/code/devices`)
  await expect(page.getByText('Safari, iPhone')).toBeVisible()
  await accessible(page)
  const out = page.getByRole('listitem').filter({ hasText: 'Safari, iPhone' }).getByRole('button', { name: 'Sign out' })
  await out.click()
  await expect(out).toHaveCount(0)
  await phone.page.reload()
  await expect(phone.page.getByRole('heading', { name: 'Sign in' })).toBeVisible()
  await page.getByRole('button', { name: 'Sign out everywhere' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Sign out everywhere' }).click()
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible()
  await phone.context.close()
})

test('home shows what needs a human first, and changes by itself', async ({ page }) => {
  const home = await machine(server, 'laptop', '/home/dev/shop', 'fix-total')
  await signedIn(server, page)
  const idle = await begin('Tidy the changelog')
  const asking = await Agent.begin(server, 'Release 2.0', home)
  ending.push(asking)
  await expect(page.getByRole('link', { name: /Release 2\.0/ })).toBeVisible()
  const request = await asking.ask('Bash', { command: 'git push --tags' })
  await expect(page.getByRole('heading', { name: 'Waiting for you' })).toBeVisible()
  await expect(page.getByRole('banner').getByText('1 waiting')).toBeVisible()
  const titles = await page.locator('.session-title').allInnerTexts()
  expect(titles[0]).toBe('Release 2.0')
  await accessible(page)
  await page.getByRole('searchbox').fill('changelog')
  await expect(page.locator('.session-title')).toHaveText(['Tidy the changelog'])
  await page.getByRole('searchbox').fill('')
  // Answered elsewhere: the pill goes.
  await server.ask('POST', `/api/v1/sessions/${asking.id}/permissions/${request}`, { decision: 'deny' })
  await expect(page.getByRole('banner').getByText('1 waiting')).toBeHidden()
  // Renamed and archived from here.
  await page.getByRole('link', { name: /Tidy the changelog/ }).click()
  await page.getByRole('button', { name: 'Actions' }).click()
  await page.getByRole('button', { name: 'Rename' }).click()
  await page.getByRole('dialog').getByRole('textbox').fill('Tidy the notes')
  await page.getByRole('dialog').getByRole('button', { name: 'OK' }).click()
  await expect(page.getByRole('heading', { name: 'Tidy the notes' })).toBeVisible()
  await page.getByRole('button', { name: 'Actions' }).click()
  await page.getByRole('button', { name: 'Archive' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'OK' }).click()
  await expect(page.getByRole('link', { name: /Tidy the notes/ })).toBeHidden()
  await expect(page).toHaveURL(`${server.url}/code/`)
  idle.end()
})

test('everything is in Chinese for those who read it', { tag: '@once' }, async ({ browser }) => {
  const context = await browser.newContext({ locale: 'zh-CN' })
  const page = await context.newPage()
  await signedIn(server, page)
  await expect(page.getByRole('searchbox', { name: '搜索会话和对话内容' })).toBeVisible()
  await expect(page.locator('html')).toHaveAttribute('lang', 'zh-Hans')
  await context.close()
})

test('the shell opens without a server', { tag: '@once' }, async ({ page, context }) => {
  await signedIn(server, page)
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined))
  await page.reload()
  await expect(page.getByRole('searchbox')).toBeVisible()
  await context.setOffline(true)
  await page.reload()
  await expect(page.getByText('No connection.')).toBeVisible()
  await context.setOffline(false)
  await expect(page.getByRole('searchbox')).toBeVisible()
})
