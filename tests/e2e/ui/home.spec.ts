// The list of sessions: found, filtered, arranged, put away, and begun.

import { expect, test, type Browser, type Page } from '@playwright/test'
import { Agent } from './agent'
import { Linked, Runner } from './runner'
import { machine } from './scenes'
import { Server } from './server'
import { begin, ending, server, stage } from './stage'
import { accessible, another, settled, signedIn } from './steps'

stage()

const titles = (page: Page) => page.locator('.list-pane .session-card .session-title')

test('the first page shows its commands whole, also on a phone', async ({ page, context }) => {
  const fresh = await Server.start()
  ending.push(fresh)
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  await signedIn(fresh, page)
  const code = page.locator('.empty-code')
  await expect(code).toContainText('rcsctl key create laptop')
  const spill = await page.evaluate(() => [...document.querySelectorAll('.home, .empty-code, .empty-code *')].filter((one) => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== 'inline').length)
  expect(spill).toBe(0)
  await page.getByRole('button', { name: 'Copy the commands' }).click()
  await expect(code).toContainText('Copied')
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(`export CLAUDE_BRIDGE_BASE_URL=${fresh.url}\nexport CLAUDE_BRIDGE_OAUTH_TOKEN=$(rcsctl key create laptop)\nccb remote-control`)
  await accessible(page)
})

test('what was said is found in conversations, further back when asked, and leads to where it was said', async ({ page }) => {
  const agent = await begin('Paint the fence')
  await agent.typed('Which walnut colour suits a garden fence?')
  await agent.say('The **walnut** one, twice. 核桃色 dries in an hour.')
  await agent.tool('Bash', { command: 'grep -rn walnut colours/' }, 'colours/brown.txt:3: walnut')
  await agent.bulk(700)
  const many = await begin('Count the trees')
  for (let number = 0; number < 24; number++) await many.say(`Tree ${number} is a hazel`)
  await signedIn(server, page)
  const search = page.getByRole('searchbox')
  await search.fill('fence')
  await expect(titles(page)).toHaveText(['Paint the fence'])
  // A search ends where its time is over, and goes on from there when asked.
  const further = page.getByRole('button', { name: 'Search further back' })
  const searched = (end: string) => expect(async () => {
    if (await further.isVisible()) await further.click()
    await expect(page.getByText(end)).toBeVisible({ timeout: 1_000 })
  }).toPass()
  await search.fill('WALNUT')
  await expect(page.getByRole('heading', { name: 'In conversations' })).toBeVisible()
  const hits = page.locator('.hit')
  await searched('Searched everything that is kept')
  await expect(hits).toHaveCount(3)
  await expect(hits.locator('mark').first()).toHaveText('walnut')
  await expect(hits.filter({ hasText: 'grep -rn' })).toBeVisible()
  await accessible(page)
  await search.fill('核桃')
  await searched('Searched everything that is kept')
  await expect(hits).toHaveCount(1)
  await search.fill('hazel tree')
  await expect(hits).toHaveCount(20)
  await expect(hits.first()).toContainText('Tree 23')
  await further.click()
  await searched('Searched everything that is kept')
  await expect(hits).toHaveCount(24)
  await search.fill('no such words anywhere')
  await searched('Nothing was said with these words')
  // Far up in a long conversation.
  await search.fill('garden fence')
  // The page itself looks for the mark, because it goes after a moment.
  const marked = page.waitForFunction(() => document.querySelector('.item.is-arrived')?.textContent?.includes('Which walnut colour'))
  await hits.first().click()
  await marked
  await expect(page).toHaveURL(/\?at=\d+$/)
  const place = page.locator('.item', { hasText: 'Which walnut colour' })
  await expect(place).toBeInViewport()
  await expect(place).not.toHaveClass(/is-arrived/)
  await expect(place).toBeInViewport()
  // A link of its own, and from there on as usual.
  await page.reload()
  await expect(place).toBeInViewport()
  await page.getByRole('button', { name: /^Latest|new$/ }).click()
  await expect(page.getByText('Line 699', { exact: true })).toBeInViewport()
})

test('a search that was typed over is dropped, and one without a connection says so', { tag: '@once' }, async ({ page, context }) => {
  const agent = await begin('Slow words')
  await agent.say('peculiar pelican')
  await signedIn(server, page)
  await expect(page.getByRole('link', { name: /Slow words/ })).toBeVisible()
  const asked: string[] = []
  let go = () => {}
  const overtaken = new Promise<void>((resolve) => (go = resolve))
  let late = Promise.resolve()
  await page.route('**/api/v1/search?**', async (route) => {
    asked.push(new URL(route.request().url()).searchParams.get('q')!)
    if (asked.length > 1) return route.continue()
    // Nobody waits for this one any more by the time that it may go on.
    late = overtaken.then(() => route.continue().catch(() => undefined))
    await late
  })
  await page.getByRole('searchbox').fill('peculiar')
  await expect.poll(() => asked).toEqual(['peculiar'])
  await page.getByRole('searchbox').fill('pelican')
  await expect(page.locator('.hit mark')).toHaveText('pelican')
  go()
  await late
  await settled(page)
  await expect(page.locator('.hit mark')).toHaveText('pelican')
  expect(asked).toEqual(['peculiar', 'pelican'])
  await context.setOffline(true)
  await page.getByRole('searchbox').fill('pel')
  await expect(page.locator('.found')).toContainText('no connection')
  await context.setOffline(false)
  await page.locator('.found').getByRole('button', { name: 'Try again' }).click()
  await expect(page.locator('.hit')).toHaveCount(1)
})

/** Four sessions on two machines, seen on two screens. */
async function four(page: Page, browser: Browser): Promise<{ laptop: string; phone: Page }> {
  const fresh = await Server.start()
  ending.push(fresh)
  const laptop = await machine(fresh, 'laptop', '/home/dev/shop', 'fix-total')
  const desk = await machine(fresh, 'desk', '/srv/relay', 'main')
  for (const [title, home] of [['One', laptop], ['Two', desk], ['Three', laptop], ['Four', desk]] as const) {
    const agent = await Agent.begin(fresh, title, home)
    ending.push(agent)
    if (title === 'Four') await agent.put({ worker_status: 'running' })
  }
  await signedIn(fresh, page)
  const { page: phone } = await another(fresh, browser)
  await expect(titles(page)).toHaveCount(4)
  return { laptop, phone }
}

test('pins and titles change here and on the other screen', async ({ page, browser }) => {
  const { phone } = await four(page, browser)
  const menu = async (title: string, what: string) => {
    await page.getByRole('button', { name: `More for ${title}` }).click()
    await page.locator('.row-menu').getByRole('button', { name: what, exact: true }).click()
  }
  await menu('One', 'Pin')
  for (const one of [page, phone]) {
    await expect(one.getByRole('heading', { name: 'Pinned' })).toBeVisible()
    await expect(titles(one).first()).toHaveText('One')
  }
  await accessible(page)
  await menu('Two', 'Rename')
  await expect(page.getByRole('textbox', { name: 'New title' })).toBeFocused()
  await page.keyboard.type('Second')
  await page.keyboard.press('Enter')
  await expect(titles(phone).filter({ hasText: 'Second' })).toHaveCount(1)
  await menu('Second', 'Rename')
  await expect(page.getByRole('textbox', { name: 'New title' })).toBeFocused()
  await page.keyboard.type('never mind')
  await page.keyboard.press('Escape')
  await expect(titles(page).filter({ hasText: 'Second' })).toHaveCount(1)
  await menu('One', 'Unpin')
  await expect(phone.getByRole('heading', { name: 'Pinned' })).toBeHidden()
  await phone.context().close()
})

test('sessions are filtered, and many are archived at once, by keyboard', async ({ page, browser }) => {
  const { laptop, phone } = await four(page, browser)
  // Filters: by what it does, by where it is.
  await page.getByRole('checkbox', { name: 'Working' }).click()
  await expect(titles(page)).toHaveText(['Four'])
  await page.getByRole('checkbox', { name: 'Working' }).click()
  await page.getByRole('button', { name: /^laptop/ }).click()
  await expect(titles(page)).toHaveCount(2)
  await expect(page.getByRole('link', { name: 'Begin one here' })).toHaveAttribute('href', `/code/new?at=${laptop}`)
  await page.getByRole('button', { name: /^laptop/ }).click()
  await page.getByRole('searchbox').fill('fix-total')
  await expect(titles(page)).toHaveCount(2)
  await page.getByRole('searchbox').fill('')

  // Many at once, by keyboard: all but one.
  await page.getByRole('button', { name: 'Select', exact: true }).focus()
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Select all' }).click()
  await expect(page.getByText('4 selected')).toBeVisible()
  await page.getByRole('checkbox', { name: /Four/ }).focus()
  await page.keyboard.press('Space')
  await accessible(page)
  await page.getByRole('toolbar').getByRole('button', { name: 'Archive' }).click()
  await expect(page.getByRole('dialog')).toContainText('Archive 3 sessions?')
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
  await expect(page.getByText('3 selected')).toBeVisible()
  await page.getByRole('toolbar').getByRole('button', { name: 'Archive' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'OK' }).click()
  await expect(titles(page)).toHaveText(['Four'])
  await expect(titles(phone)).toHaveText(['Four'])
  await page.getByRole('checkbox', { name: 'Archived' }).click()
  await expect(titles(page)).toHaveCount(3)
  await page.getByRole('searchbox').fill('Tw')
  await expect(titles(page)).toHaveText(['Two'])
  await accessible(page)
  await page.getByRole('link', { name: /Two/ }).click()
  await expect(page.getByText('This session is archived')).toBeVisible()
  await phone.context().close()
})

test('a finger that rests on a row chooses it', async ({ page }, info) => {
  test.skip(info.project.name !== 'phone', 'fingers are for phones')
  await begin('Rest here')
  await signedIn(server, page)
  const row = page.getByRole('link', { name: /Rest here/ })
  await row.scrollIntoViewIfNeeded()
  const box = (await row.boundingBox())!
  const client = await page.context().newCDPSession(page)
  const touch = (type: 'touchStart' | 'touchEnd') => client.send('Input.dispatchTouchEvent', { type, touchPoints: type === 'touchStart' ? [{ x: box.x + 60, y: box.y + 20 }] : [] })
  await touch('touchStart')
  await expect(page.getByText('1 selected')).toBeVisible()
  await touch('touchEnd')
  await expect(page.getByRole('checkbox', { name: /Rest here/ })).toBeChecked()
  await expect(page).toHaveURL(`${server.url}/code/`)
  await page.keyboard.press('Escape')
  await expect(page.getByText('1 selected')).toBeHidden()
})

test('a long archive comes in pages', { tag: '@once' }, async ({ page }) => {
  const ids: string[] = []
  for (let number = 0; number < 57; number++) ids.push((await server.ask('POST', '/api/v1/sessions', { title: `Old ${number}` })).id)
  await server.ask('POST', '/api/v1/sessions/archive', { ids })
  await signedIn(server, page)
  await page.getByRole('checkbox', { name: 'Archived' }).click()
  const listed = page.waitForResponse((response) => response.url().includes('q=Old'))
  await page.getByRole('searchbox').fill('Old')
  await listed
  await expect(titles(page)).toHaveCount(50)
  await page.getByRole('button', { name: 'Show more' }).click()
  await expect(titles(page)).toHaveCount(57)
})

test('a session begun here waits honestly for its machine, also while the server is killed, and has its prompt once', async ({ page }) => {
  const fresh = await Server.start()
  const runner = await Runner.begin(fresh, 'builder', '/srv/build')
  ending.push(runner, fresh)
  runner.isHeld = true
  runner.onSession = async (agent) => {
    agent.onPrompt = async (text) => agent.say(`Did: ${text}`)
  }
  await signedIn(fresh, page)
  await page.getByRole('link', { name: 'New session' }).click()
  await expect(page.getByRole('radio', { name: /builder/ })).toBeChecked()
  await expect(page.getByText('It begins sessions in /srv/build.')).toBeVisible()
  await expect(page.getByLabel('Directory')).toHaveCount(0)
  await page.getByLabel('Mode', { exact: true }).selectOption('plan')
  await page.getByLabel('Model', { exact: true }).fill('opus')
  await page.getByLabel('First prompt').fill('Build it.\nThen test it.')
  await accessible(page)
  // Kept over a reload.
  await page.reload()
  await expect(page.getByLabel('First prompt')).toHaveValue('Build it.\nThen test it.')
  await expect(page.getByLabel('Mode', { exact: true })).toHaveValue('plan')
  await page.getByRole('button', { name: 'Start session' }).click()
  await expect(page).toHaveURL(/session_[0-9a-f]{32}$/)
  await expect(page.getByRole('heading', { name: 'Build it.' })).toBeVisible()
  await expect(page.getByText('Waiting for builder to take this session')).toBeVisible()
  await expect(page.locator('.mine')).toContainText('Queued')
  await accessible(page)
  await fresh.kill()
  await expect(page.locator('.cut')).toBeVisible()
  await fresh.launch()
  await expect(page.getByText('Waiting for builder to take this session')).toBeVisible()
  runner.isHeld = false
  await expect(page.getByText('Did: Build it.')).toBeVisible()
  await expect(page.getByText('Waiting for builder')).toBeHidden()
  const id = page.url().split('/').at(-1)!
  expect(runner.agents.get(id)?.prompts).toEqual(['Build it.\nThen test it.'])
  await expect.poll(async () => (await fresh.ask('GET', `/api/v1/sessions/${id}`)).mode).toBe('plan')
  // The machine stays chosen, the words are said.
  await page.goto(`${fresh.url}/code/new`)
  await expect(page.getByRole('radio', { name: /builder/ })).toBeChecked()
  await expect(page.getByLabel('First prompt')).toHaveValue('')
})

test('asked for twice because an answer was lost, it is begun once', { tag: '@once' }, async ({ page }) => {
  const fresh = await Server.start()
  const runner = await Runner.begin(fresh, 'once', '/srv')
  ending.push(runner, fresh)
  await signedIn(fresh, page)
  await page.goto(`${fresh.url}/code/new`)
  await page.getByLabel('First prompt').fill('Only once')
  let lost = 0
  await page.route('**/api/v1/sessions', async (route) => {
    if (route.request().method() !== 'POST' || lost++ > 0) return route.continue()
    await route.fetch()
    await route.abort()
  })
  await page.getByRole('button', { name: 'Start session' }).click()
  await expect(page.getByRole('alert')).toContainText('Not started: no connection')
  await page.getByRole('button', { name: 'Start session' }).click()
  await expect(page).toHaveURL(/session_[0-9a-f]{32}$/)
  expect((await fresh.ask('GET', '/api/v1/sessions')).items).toHaveLength(1)
})

test('what a machine cannot do is not offered, and the button says why it cannot', async ({ page, context }) => {
  const fresh = await Server.start()
  const single = await Runner.begin(fresh, 'repl', '/home/dev/repl', 1)
  const several = await Runner.begin(fresh, 'farm', '/srv/farm')
  ending.push(single, several, fresh)
  // The runner takes it by itself.
  await fresh.ask('POST', '/api/v1/sessions', { title: 'Its own session', environment_id: single.id })
  await signedIn(fresh, page)
  await page.goto(`${fresh.url}/code/new`)
  const start = page.getByRole('button', { name: 'Start session' })
  await expect(start).toBeDisabled()
  await expect(page.getByText('Choose a machine first.')).toBeVisible()
  await page.getByRole('radio', { name: /repl/ }).check()
  await expect(page.getByText('This runner has one session and takes no second')).toBeVisible()
  await expect(start).toBeDisabled()
  await page.getByRole('radio', { name: /farm/ }).check()
  await expect(start).toBeEnabled()
  await expect(page.getByText('4 more run at once')).toBeVisible()
  await context.setOffline(true)
  await expect(page.getByText('There is no connection to the server')).toBeVisible()
  await expect(start).toBeDisabled()
  await context.setOffline(false)
  await expect(start).toBeEnabled()
  await fresh.ask('DELETE', `/v1/environments/bridge/${several.id}`)
  await expect(page.getByText('This machine is not connected any more.')).toBeVisible()
  await expect(start).toBeDisabled()
})

test('an agent behind a link begins where, how and with what it was told', async ({ page, browser }) => {
  const fresh = await Server.start()
  ending.push(fresh)
  const linked = await Linked.begin(fresh, browser, 'node')
  await signedIn(fresh, page)
  await page.goto(`${fresh.url}/code/new`)
  await expect(page.getByRole('radio', { name: /node/ })).toBeChecked()
  // Before it told anything there is nothing to choose.
  await expect(page.getByLabel('Mode', { exact: true })).toHaveCount(0)
  await page.getByLabel('First prompt').fill('hello')
  await page.getByRole('button', { name: 'Start session' }).click()
  await expect(page.getByText('You said: hello (in /home/agent)')).toBeVisible()
  await page.goto(`${fresh.url}/code/new`)
  await expect(page.getByText('Qwen Code 0.24')).toBeVisible()
  await page.getByLabel('Mode', { exact: true }).selectOption({ label: 'Plan first' })
  await page.getByLabel('Model', { exact: true }).selectOption({ label: 'Large' })
  await page.getByRole('button', { name: 'Another directory…' }).click()
  await page.getByLabel('Absolute path on that machine').fill('shop')
  await expect(page.getByText('The directory must be an absolute path.')).toBeVisible()
  await page.getByLabel('Absolute path on that machine').fill('/srv/shop')
  await page.getByLabel('First prompt').fill('again')
  await accessible(page)
  await page.getByRole('button', { name: 'Start session' }).click()
  await expect(page.getByText('You said: again (in /srv/shop)')).toBeVisible()
  const id = page.url().split('/').at(-1)!
  await expect.poll(async () => (await fresh.ask('GET', `/api/v1/sessions/${id}`)).model).toBe('large')
  expect((await fresh.ask('GET', `/api/v1/sessions/${id}`)).mode).toBe('plan')
  // Where one was, one can be again.
  await page.goto(`${fresh.url}/code/new`)
  await expect(page.getByRole('button', { name: '/srv/shop' })).toBeVisible()
  // Written word by word, and found.
  await toHomeOf(fresh, page)
  await page.getByRole('searchbox').fill('said again')
  await expect(page.locator('.hit')).toHaveCount(1)
  await linked.end()
})

const toHomeOf = (of: Server, page: Page) => page.goto(`${of.url}/code/`)
