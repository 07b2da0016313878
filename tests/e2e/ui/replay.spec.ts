// A session as it was: any moment of it, over trouble, and twenty thousand events long.

import { expect, test } from '@playwright/test'
import { conversation } from './scenes'
import { begin, server, stage } from './stage'
import { accessible, another, open, signedIn } from './steps'

stage()

test('a session is looked at as it was, by whom and from where it was decided, and nothing can be done there', async ({ page, browser }) => {
  const agent = await begin('Replay')
  await signedIn(server, page)
  const phone = await another(server, browser)
  await conversation(agent)
  const first = await agent.ask('Bash', { command: 'make deploy' })
  await open(server, phone.page, agent)
  await phone.page.getByRole('button', { name: 'Deny…' }).click()
  await phone.page.getByRole('textbox', { name: /What should the agent do/ }).fill('Not on a Friday')
  await phone.page.getByRole('button', { name: 'Deny', exact: true }).click()
  await agent.answerTo(first)
  await agent.say('Then on Monday')
  await open(server, page, agent)
  await expect(page.getByText('Then on Monday')).toBeVisible()
  await page.getByRole('button', { name: 'Actions' }).click()
  await page.getByRole('link', { name: 'Look back' }).click()
  await expect(page.getByText('This is the past.')).toBeVisible()
  await expect(page.getByText('Then on Monday')).toBeVisible()
  await expect(page.getByLabel('Message to the agent')).toHaveCount(0)
  const slider = page.getByRole('slider', { name: 'Moment' })
  const last = Number(await slider.getAttribute('max'))
  await page.getByRole('button', { name: 'Previous decision' }).click()
  await expect(page.locator('.moment')).toContainText('Denied by Safari, iPhone')
  await expect(page.getByText('“Not on a Friday”').or(page.locator('q', { hasText: 'Not on a Friday' })).first()).toBeVisible()
  await expect(page.getByText('Then on Monday')).toHaveCount(0)
  await page.getByRole('button', { name: 'Previous decision' }).click()
  // As it was before: open, and still no button to decide it with.
  await expect(page.locator('.moment')).toContainText('The agent asks to use Bash by the agent')
  await expect(page.locator('.moment')).toContainText('1 question open')
  await expect(page.getByRole('button', { name: 'Allow once' })).toHaveCount(0)
  await accessible(page)
  await page.getByRole('button', { name: 'Previous message' }).click()
  await expect(page.locator('.bubble')).toContainText('The checkout total ignores quantities')
  await expect(page.locator('.said')).toHaveCount(0)
  await slider.focus()
  await page.keyboard.press('End')
  await expect(page.getByText('Then on Monday')).toBeVisible()
  await page.keyboard.press('ArrowLeft')
  await expect(slider).toHaveAttribute('aria-valuetext', new RegExp(`\\d+:\\d+:\\d+.*, event ${last - 1} of ${last}$`))
  // A moment has an address.
  await expect(page).toHaveURL(new RegExp(`/replay#${last - 1}$`))
  await page.reload()
  await expect(slider).toHaveValue(String(last - 1))
  await page.keyboard.press('Home')
  await slider.focus()
  await page.keyboard.press('Home')
  await page.getByLabel('Speed').selectOption('64')
  await page.getByRole('button', { name: 'Play', exact: true }).click()
  await expect(page.getByText('Then on Monday')).toBeVisible({ timeout: 20_000 })
  await expect(page.getByRole('button', { name: 'Play', exact: true })).toBeVisible()
  await page.getByRole('link', { name: 'Back to now' }).last().click()
  await expect(page.getByLabel('Message to the agent')).toBeVisible()
  await phone.context.close()
})

test('looking back goes on after the server was killed and the network cut', { tag: '@once' }, async ({ page, context }) => {
  const agent = await begin('Replay through trouble')
  await agent.bulk(600)
  await signedIn(server, page)
  // Nothing but the first page is there when the network goes.
  let isCut = false
  await page.route('**/events?**', (route) => (isCut ? route.abort() : /after=0&/.test(route.request().url()) && !isCut ? route.abort() : route.continue()))
  await page.goto(`${server.url}/code/${agent.id}/replay`)
  await expect(page.getByText('Line 599', { exact: true })).toBeVisible()
  isCut = true
  await server.kill()
  const slider = page.getByRole('slider')
  await slider.focus()
  await page.keyboard.press('Home')
  await expect(page.getByRole('alert')).toContainText('No connection')
  await server.launch()
  isCut = false
  await page.unroute('**/events?**')
  await page.getByRole('button', { name: 'Try again' }).click()
  await expect(page.getByText('Nothing was said yet.')).toBeVisible()
  await expect(page.getByRole('alert')).toHaveCount(0)
  await page.getByRole('button', { name: 'Next event' }).click()
  await context.setOffline(false)
})

test('a drag over twenty thousand events stays smooth, and opening them is quick', { tag: '@once' }, async ({ page }, info) => {
  const agent = await begin('Twenty thousand, looked back on')
  await agent.bulk(20_000)
  await signedIn(server, page)
  await page.getByRole('link', { name: /looked back on/ }).waitFor()
  const requests: string[] = []
  page.on('request', (request) => request.url().includes('/api/v1/') && requests.push(request.url().replace(server.url, '')))
  const opened = await page.evaluate(async () => {
    const link = [...document.querySelectorAll('a')].find((one) => one.textContent?.includes('looked back on'))!
    const began = performance.now()
    link.click()
    while (![...document.querySelectorAll('.said')].some((one) => one.textContent?.trim() === 'Line 19999')) await new Promise(requestAnimationFrame)
    return Math.round(performance.now() - began)
  })
  info.annotations.push({ type: 'opened', description: `${opened} ms, ${requests.length} requests` })
  console.log(`${info.project.name}: opened in ${opened} ms with ${requests.join(' ')}`)
  // From its address, with everything that is fetched before: measured from where the browser began.
  await page.goto(`${server.url}/code/${agent.id}`)
  const cold = await page.waitForFunction(() => [...document.querySelectorAll('.said')].some((one) => one.textContent?.trim() === 'Line 19999') && performance.now(), undefined, { polling: 'raf' })
  console.log(`${info.project.name}: opened from its address in ${Math.round(Number(await cold.jsonValue()))} ms`)
  await page.goto(`${server.url}/code/${agent.id}/replay`)
  await expect(page.getByText('Line 19999', { exact: true })).toBeVisible()
  await expect(page.getByText('reading the log')).toHaveCount(0, { timeout: 60_000 })
  const drag = await page.evaluate(async () => {
    const slider = document.querySelector<HTMLInputElement>('input[type=range]')!
    const frames: number[] = []
    let nodes = 0
    const seen = new Set<string>()
    let before = performance.now()
    for (let step = 0; step <= 120; step++) {
      slider.valueAsNumber = Math.round(20_000 * (1 - step / 120))
      slider.dispatchEvent(new Event('input', { bubbles: true }))
      await new Promise(requestAnimationFrame)
      frames.push(performance.now() - before)
      nodes = Math.max(nodes, document.querySelectorAll('.item').length)
      seen.add([...document.querySelectorAll('.said')].at(-1)?.textContent ?? '')
      before = performance.now()
    }
    frames.sort((one, other) => one - other)
    return { median: Math.round(frames[60]!), p95: Math.round(frames[114]!), most: Math.round(frames[120]!), nodes, moments: seen.size }
  })
  console.log(`${info.project.name}: drag ${JSON.stringify(drag)}`)
  expect(drag.nodes).toBeLessThan(200)
  // Nearly every step of it was drawn, and not only where it came to rest.
  expect(drag.moments).toBeGreaterThan(60)
  await page.getByRole('slider').fill('10000')
  await expect(page.getByText(/^Line 99\d\d$/).last()).toBeVisible()
})
