// What an agent asks: shown, decided by one of many, by hand, by rule and by keyboard.

import { expect, test } from '@playwright/test'
import { EDIT } from './scenes'
import { begin, server, stage } from './stage'
import { accessible, another, open, settled, signedIn } from './steps'

stage()

test('a permission that was raised while no browser was open is there, and is decided', async ({ page }) => {
  const agent = await begin('Deploy')
  const first = await agent.ask('Bash', { command: 'make deploy && make smoke', description: 'Deploy and look' })
  const second = await agent.ask('Edit', EDIT)
  await server.kill()
  await server.launch()
  await signedIn(server, page)
  await expect(page.getByText('2 questions')).toBeVisible()
  await open(server, page, agent)
  const sheet = page.getByRole('region', { name: 'The agent asks' })
  await expect(sheet).toContainText('make deploy && make smoke')
  await expect(sheet).toContainText('1 of 2')
  for (const name of ['Allow once', 'Deny…', 'Allow this for the whole session']) {
    const box = (await sheet.getByRole('button', { name }).boundingBox())!
    expect(box.height).toBeGreaterThanOrEqual(44)
    expect(box.width).toBeGreaterThanOrEqual(44)
  }
  const [deny, allow] = [(await sheet.getByRole('button', { name: 'Deny…' }).boundingBox())!, (await sheet.getByRole('button', { name: 'Allow once' }).boundingBox())!]
  expect(allow.x - (deny.x + deny.width)).toBeGreaterThanOrEqual(12)
  await accessible(page)
  await sheet.getByRole('button', { name: 'Allow once' }).click()
  expect(await agent.answerTo(first)).toMatchObject({ behavior: 'allow' })
  // The next one stands in its place, and is denied with words.
  await expect(sheet).toContainText('total.ts')
  await sheet.getByRole('button', { name: 'Deny…' }).click()
  await sheet.getByRole('textbox').fill('Keep the old name')
  await sheet.getByRole('button', { name: 'Deny', exact: true }).click()
  expect(await agent.answerTo(second)).toMatchObject({ behavior: 'deny', message: 'Keep the old name' })
  await expect(sheet).toBeHidden()
  await expect(page.getByText('Allowed by you')).toBeVisible()
  await expect(page.getByText('Denied by you')).toBeVisible()
})

test('a rule for the session answers the next one', { tag: '@once' }, async ({ page }) => {
  const agent = await begin('Look around')
  await signedIn(server, page)
  await open(server, page, agent)
  const first = await agent.ask('Bash', { command: 'git status' })
  await page.getByRole('button', { name: 'Allow this for the whole session' }).click()
  await agent.answerTo(first)
  const second = await agent.ask('Bash', { command: 'git status' })
  expect(await agent.answerTo(second)).toMatchObject({ behavior: 'allow' })
  await expect(page.getByText('Allowed by the rule “Bash git status”')).toBeVisible()
})

test('two browsers race for one approval: one wins, the other sees who', async ({ page, browser }) => {
  const agent = await begin('Race')
  await signedIn(server, page)
  const phone = await another(server, browser)
  const request = await agent.ask('Bash', { command: 'rm -rf build' })
  await open(server, page, agent)
  await open(server, phone.page, agent)
  const sheets = [page, phone.page].map((one) => one.getByRole('region', { name: 'The agent asks' }))
  await sheets[1]!.getByRole('button', { name: 'Deny…' }).click()
  const buttons = [sheets[0]!.getByRole('button', { name: 'Allow once' }), sheets[1]!.getByRole('button', { name: 'Deny', exact: true })]
  await Promise.all(buttons.map((button) => button.waitFor()))
  await Promise.all(buttons.map((button) => button.evaluate((element: HTMLElement) => element.click())))
  const answer = await agent.answerTo(request)
  await expect(sheets[0]!).toBeHidden()
  await expect(sheets[1]!).toBeHidden()
  const [here, there] = answer.behavior === 'allow' ? ['Allowed by you', /Allowed by Chrom/] : [/Denied by Safari, iPhone/, 'Denied by you']
  await expect(page.getByText(here)).toBeVisible()
  await expect(phone.page.getByText(there)).toBeVisible()
  await phone.context.close()
})

test('who decides late without having heard is told who was first', { tag: '@once' }, async ({ page, browser }) => {
  const agent = await begin('Late')
  await signedIn(server, page)
  const phone = await another(server, browser)
  const request = await agent.ask('Bash', { command: 'rm -rf build' })
  await open(server, page, agent)
  await open(server, phone.page, agent)
  const sheet = phone.page.getByRole('region', { name: 'The agent asks' })
  await sheet.getByRole('button', { name: 'Allow once' }).waitFor()
  // The phone hears nothing of the log any more, but its requests go out.
  await phone.page.route('**/events?**', (route) => route.abort())
  await phone.context.setOffline(true)
  await phone.context.setOffline(false)
  await page.getByRole('button', { name: 'Deny…' }).click()
  await page.getByRole('button', { name: 'Deny', exact: true }).click()
  expect(await agent.answerTo(request)).toMatchObject({ behavior: 'deny' })
  await sheet.getByRole('button', { name: 'Allow once' }).click()
  await expect(sheet.getByRole('alert')).toContainText(/Chrom.* was first: denied/)
  // The card goes when the log says so.
  await phone.page.unroute('**/events?**')
  await expect(sheet).toBeHidden()
  await expect(phone.page.getByText(/Denied by Chrom/)).toBeVisible()
  await phone.context.close()
})

test('questions with options and a plan are answered', async ({ page }) => {
  const agent = await begin('Choices')
  await signedIn(server, page)
  await open(server, page, agent)
  const asked = await agent.ask('AskUserQuestion', { questions: [
    { question: 'Which database?', header: 'Storage', multiSelect: false, options: [{ label: 'SQLite', description: 'One file' }, { label: 'Postgres', description: 'A server' }] },
    { question: 'Which platforms?', multiSelect: true, options: [{ label: 'Linux' }, { label: 'macOS' }, { label: 'Windows' }] },
  ] })
  const sheet = page.getByRole('region', { name: 'The agent asks' })
  await expect(sheet.getByRole('button', { name: 'Send answer' })).toBeDisabled()
  await sheet.getByRole('group', { name: /database/ }).getByText('Something else…').click()
  await sheet.getByRole('textbox', { name: 'Something else…' }).fill('DuckDB')
  await sheet.getByText('Linux').click()
  await sheet.getByText('macOS').click()
  await accessible(page)
  await sheet.getByRole('button', { name: 'Send answer' }).click()
  const answer = await agent.answerTo(asked)
  expect(answer.updatedInput.answers).toEqual({ 'Which database?': 'DuckDB', 'Which platforms?': 'Linux, macOS' })

  const plan = await agent.ask('ExitPlanMode', { plan: '# The plan\n\n1. Write it\n2. Test it' })
  await expect(sheet.getByRole('heading', { name: 'The plan', exact: true })).toBeVisible()
  await sheet.getByRole('button', { name: 'Approve, accept edits by itself' }).click()
  expect((await agent.answerTo(plan)).updatedPermissions).toEqual([{ type: 'setMode', mode: 'acceptEdits', destination: 'session' }])
})

test('a decision from a tunnel arrives when the train leaves it, and the card stays until it does', async ({ page, context }) => {
  const agent = await begin('Tunnel decision')
  const request = await agent.ask('Bash', { command: 'make release' })
  await signedIn(server, page)
  await open(server, page, agent)
  const sheet = page.getByRole('region', { name: 'The agent asks' })
  await expect(sheet).toContainText('make release')
  let failed = 0
  page.on('requestfailed', (tried) => tried.url().endsWith(`/permissions/${request}`) && failed++)
  await context.setOffline(true)
  await sheet.getByRole('button', { name: 'Allow once' }).click()
  await expect(sheet).toContainText('Your decision is sent when there is a connection')
  // It is tried again, and stays when that fails as well.
  await expect.poll(() => failed).toBeGreaterThan(1)
  await expect(sheet).toBeVisible()
  expect(agent.answers.size).toBe(0)
  await context.setOffline(false)
  expect(await agent.answerTo(request)).toMatchObject({ behavior: 'allow' })
  await expect(sheet).toBeHidden()
})

test('a question is answered with the keyboard alone, and nothing keeps anybody from zooming', async ({ page }) => {
  const agent = await begin('Keyboard')
  const request = await agent.ask('Bash', { command: 'ls' })
  await signedIn(server, page)
  await open(server, page, agent)
  await expect(page.getByRole('button', { name: 'Allow once' })).toBeVisible()
  await settled(page)
  for (let presses = 0; presses < 80; presses++) {
    await page.keyboard.press('Tab')
    if (await page.evaluate(() => document.activeElement?.textContent === 'Allow once')) break
  }
  await expect(page.getByRole('button', { name: 'Allow once' })).toBeFocused()
  await page.keyboard.press('Enter')
  expect(await agent.answerTo(request)).toMatchObject({ behavior: 'allow' })
  expect(await page.locator('meta[name=viewport]').getAttribute('content')).not.toMatch(/user-scalable|maximum-scale/)
  // As wide as a phone at twice the size: nothing runs out of the page.
  await page.setViewportSize({ width: 320, height: 640 })
  const screens = [
    [`/code/${agent.id}`, page.getByText('Allowed by you')],
    ['/code/', page.getByRole('link', { name: /Keyboard/ })],
    ['/code/devices', page.getByText('This device')],
  ] as const
  for (const [path, content] of screens) {
    await page.goto(server.url + path)
    await expect(content).toBeVisible()
    await settled(page)
    expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(320)
  }
})

test('what the agent proposes to allow for good is one of its own ways, and goes back as it came', async ({ page }) => {
  const agent = await begin('Ways')
  await signedIn(server, page)
  await open(server, page, agent)
  const rules = { type: 'addRules', rules: [{ toolName: 'Bash', ruleContent: 'npm test:*' }], behavior: 'allow', destination: 'localSettings' }
  const request = await agent.ask('Bash', { command: 'npm test -- total' }, { permission_suggestions: [rules, { type: 'setMode', mode: 'acceptEdits', destination: 'session' }, { type: 'addRules', rules: [{ toolName: 'Bash' }], behavior: 'deny', destination: 'session' }], decision_reason: 'This command requires approval' })
  const sheet = page.getByRole('region', { name: 'The agent asks' })
  await expect(sheet).toContainText('This command requires approval')
  await sheet.getByText('More ways to allow').click()
  const ways = sheet.locator('.way')
  await expect(ways).toHaveText(['Always allow Bash(npm test:*)in this project, on that machine', 'Allow, and switch to “Accept edits”in this session'])
  for (const way of await ways.all()) expect((await way.boundingBox())!.height).toBeGreaterThanOrEqual(44)
  await accessible(page)
  await ways.first().click()
  expect(await agent.answerTo(request)).toMatchObject({ behavior: 'allow', updatedPermissions: [rules] })
  await expect(sheet).toBeHidden()
})

test('a card that somebody else closed says who it was', { tag: '@once' }, async ({ page, browser }) => {
  const agent = await begin('Elsewhere')
  await signedIn(server, page)
  await open(server, page, agent)
  const phone = await another(server, browser)
  await agent.ask('WebFetch', { url: `https://example.test/${'path/'.repeat(60)}?q=1`, prompt: 'Read it' })
  const sheet = page.getByRole('region', { name: 'The agent asks' })
  await expect(sheet).toContainText('?q=1')
  await open(server, phone.page, agent)
  await phone.page.getByRole('button', { name: 'Allow once' }).click()
  await expect(page.getByRole('status').filter({ hasText: 'Answered by Safari, iPhone: allowed' })).toBeVisible()
  await expect(sheet).toBeHidden()
  await phone.context.close()
})

test('a change of thousands of lines says that there is more of it before it is allowed', { tag: '@once' }, async ({ page }) => {
  const agent = await begin('Huge edit')
  await signedIn(server, page)
  await open(server, page, agent)
  const lines = (word: string) => Array.from({ length: 1_500 }, (_, index) => `${word} ${index}`).join('\n')
  await agent.ask('Edit', { file_path: '/x.txt', old_string: 'x', new_string: lines('new') })
  const sheet = page.getByRole('region', { name: 'The agent asks' })
  await sheet.getByRole('button', { name: /Show \d+ more lines/ }).click()
  await expect(sheet.getByText('new 1499', { exact: true })).toHaveCount(1)
})
