// Pictures of every screen, for people to look at: in target/e2e-ui/shots, and nowhere in git.

import { AxeBuilder } from '@axe-core/playwright'
import { expect, test, type Page } from '@playwright/test'
import { Agent } from './agent'
import { conversation, EDIT, machine } from './scenes'
import { Server } from './server'

let server: Server
const agents: Agent[] = []
const at: Record<string, string> = {}
let home = ''

test.beforeAll(async () => {
  server = await Server.start()
  const laptop = await machine(server, 'laptop', '/home/dev/shop', 'fix-total')
  const desk = await machine(server, 'workstation', '/srv/relay', 'main')
  home = desk
  const make = async (title: string, home?: string) => {
    const agent = await Agent.begin(server, title, home)
    agents.push(agent)
    at[title] = agent.id
    return agent
  }
  const idle = await make('Summarise the last release', desk)
  await idle.say('Done.')
  const working = await make('Speed up the search index', desk)
  await working.put({ worker_status: 'running' })
  await working.say('Reading the index code first.')
  const off = await make('Migrate the blog', laptop)
  await off.say('Until later.')
  off.end()
  const total = await make('Fix the checkout total', laptop)
  await conversation(total)
  const asks = await make('Deploy the fix to staging', laptop)
  await asks.typed('Deploy it to staging, then tell me what the smoke test says.')
  await asks.say('The build is green. I need your word before I touch staging.')
  await asks.ask('Bash', { command: 'kubectl --context staging rollout restart deploy/shop &&\n  ./scripts/smoke.sh https://staging.shop.test', description: 'Restart the shop on staging and run the smoke test' })
  const edits = await make('Rename the cart module', laptop)
  await edits.ask('Edit', EDIT)
  const choice = await make('Choose a storage engine', desk)
  await choice.ask('AskUserQuestion', { questions: [{ question: 'Which database should the service use?', header: 'Storage', multiSelect: false, options: [{ label: 'SQLite', description: 'One file, no server, one writer' }, { label: 'Postgres', description: 'A server to run, many writers' }] }] })
  const plan = await make('Plan the import', desk)
  await plan.ask('ExitPlanMode', { plan: '# Import in three steps\n\n1. **Read** the export in pieces of 10 MB\n2. **Check** each row against the schema; bad rows go to `rejects.csv`\n3. **Write** in batches of 500 within one transaction\n\nNothing is deleted before step 3 is through.' })
})

test.afterAll(async () => {
  agents.forEach((agent) => agent.end())
  await server.end()
})

for (const scheme of ['light', 'dark'] as const) {
  test(`every screen, ${scheme}`, async ({ page }, info) => {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' })
    const shot = async (name: string) => {
      // Pictures and fonts settle; there is nothing to wait for that says so.
      await page.waitForTimeout(400)
      const found = await new AxeBuilder({ page }).analyze()
      const grave = found.violations.filter((violation) => ['serious', 'critical'].includes(violation.impact ?? ''))
      expect.soft(grave.map(({ id, nodes }) => `${name} ${id}: ${nodes.map((node) => node.html).join(' ')}`)).toEqual([])
      await page.screenshot({ path: `../../../target/e2e-ui/shots/${name}-${info.project.name}-${scheme}.png` })
    }
    await page.goto(`${server.url}/code/`)
    await page.getByRole('heading').waitFor()
    await shot('1-login')
    const made = await server.ask('POST', '/api/v1/login-links', {})
    await page.goto(`${server.url}/code/login#${made.url.split('#')[1]}`)
    await page.locator('.session-card').first().waitFor()
    await shot('2-home')
    await session(page, 'Fix the checkout total')
    await shot('3-session')
    await page.getByRole('button', { name: /^Edit/ }).click()
    await page.getByRole('button', { name: /^Bash/ }).click()
    await page.getByRole('log').evaluate((element) => element.scrollTo(0, 0))
    await shot('4-tools')
    await session(page, 'Deploy the fix to staging')
    await shot('5-approve')
    await page.getByRole('button', { name: 'Deny…' }).click()
    await shot('6-deny')
    await session(page, 'Rename the cart module')
    await shot('7-edit')
    await session(page, 'Choose a storage engine')
    await page.getByText('SQLite').click()
    await shot('8-question')
    await session(page, 'Plan the import')
    await shot('9-plan')
    await page.goto(`${server.url}/code/devices`)
    await page.locator('.row').first().waitFor()
    await shot('10-devices')
    await page.getByRole('button', { name: 'Menu' }).click()
    await shot('11-menu')
    await page.keyboard.press('Escape')
  })
}

for (const scheme of ['light', 'dark'] as const) {
  test(`the list and what begins there, ${scheme}`, async ({ page }, info) => {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' })
    const shot = async (name: string) => {
      await page.waitForTimeout(500)
      const found = await new AxeBuilder({ page }).analyze()
      const grave = found.violations.filter((violation) => ['serious', 'critical'].includes(violation.impact ?? ''))
      expect.soft(grave.map(({ id, nodes }) => `${name} ${id}: ${nodes.map((node) => node.html).join(' ')}`)).toEqual([])
      await page.screenshot({ path: `../../../target/e2e-ui/shots/${name}-${info.project.name}-${scheme}.png` })
    }
    const made = await server.ask('POST', '/api/v1/login-links', {})
    await page.goto(`${server.url}/code/login#${made.url.split('#')[1]}`)
    await page.locator('.session-card').first().waitFor()
    await server.ask('PATCH', `/api/v1/sessions/${at['Speed up the search index']}`, { pinned: true })
    await page.getByRole('heading', { name: 'Pinned' }).waitFor()
    await page.getByRole('button', { name: 'More for Speed up the search index' }).click()
    await shot('20-row-menu')
    await page.keyboard.press('Escape')
    await page.getByRole('searchbox').fill('total')
    await page.locator('.hit').first().waitFor()
    await shot('21-search')
    await page.getByRole('searchbox').fill('')
    await page.getByRole('button', { name: 'Select', exact: true }).click()
    await page.getByRole('checkbox', { name: /Migrate the blog/ }).click()
    await page.getByRole('checkbox', { name: /Summarise/ }).click()
    await shot('22-select')
    await page.keyboard.press('Escape')
    await page.getByRole('checkbox', { name: 'Archived' }).click()
    await page.locator('#group-archived').waitFor()
    await shot('23-archived')
    await page.goto(`${server.url}/code/new`)
    await page.getByRole('radio', { name: /workstation/ }).check()
    await page.getByLabel('First prompt').fill('Find out why the nightly build takes twice as long since Tuesday.\n\nBegin with the cache; change nothing yet.')
    await page.getByRole('button', { name: 'Start session' }).waitFor()
    await page.waitForTimeout(300)
    await shot('24-new')
    const begun = await server.ask('POST', '/api/v1/sessions', { environment_id: home, title: 'Find out why the build is slow', prompt: 'Find out why the nightly build takes twice as long.' })
    await page.goto(`${server.url}/code/${begun.id}`)
    await page.getByText('Waiting for workstation').waitFor()
    await shot('25-awaiting')
    await server.ask('POST', `/api/v1/sessions/${begun.id}/archive`)
    const fresh = await Server.start()
    const first = await fresh.ask('POST', '/api/v1/login-links', {})
    await page.goto(`${fresh.url}/code/login#${first.url.split('#')[1]}`)
    await page.locator('.empty-code').waitFor()
    await shot('26-empty')
    await fresh.end()
  })
}

async function session(page: Page, title: string): Promise<void> {
  await page.goto(`${server.url}/code/${at[title]}`)
  await page.getByRole('log').waitFor()
  await page.locator('.item').first().waitFor()
}
