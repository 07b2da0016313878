// Sessions as people have them: what the screenshots show and the checks look at.

import { Agent } from './agent'
import type { Server } from './server'

export const EDIT = {
  file_path: '/home/dev/shop/src/checkout/total.ts',
  old_string: 'export function total(items: Item[]): number {\n  return items.reduce((sum, item) => sum + item.price, 0)\n}\n',
  new_string: 'export function total(items: Item[]): number {\n  return items.reduce((sum, item) => sum + item.price * item.quantity, 0)\n}\n\nexport const EMPTY = total([])\n',
}

export async function machine(server: Server, name: string, directory: string, branch: string): Promise<string> {
  const made = await server.ask('POST', '/v1/environments/bridge', {
    machine_name: name, directory, branch, git_repo_url: null, max_sessions: 4, metadata: { worker_type: 'claude_code' },
  })
  return made.environment_id
}

/** A turn with a bit of everything. */
export async function conversation(agent: Agent): Promise<void> {
  await agent.typed('The checkout total ignores quantities. Find out why and fix it, with a test.')
  await agent.think('The total is computed in one place, I believe. Let me look at how items are summed before I touch anything.')
  await agent.tool('Grep', { pattern: 'reduce\\(', path: 'src' }, 'src/checkout/total.ts:12:  return items.reduce((sum, item) => sum + item.price, 0)')
  await agent.tool('TodoWrite', { todos: [
    { content: 'Find where the total is computed', status: 'completed' },
    { content: 'Multiply by the quantity', status: 'in_progress' },
    { content: 'Add a test', status: 'pending' },
  ] }, 'ok')
  await agent.tool('Edit', EDIT, 'The file was updated.')
  await agent.tool('Bash', { command: 'npm test -- total', description: 'Run the tests of the total' }, '\u001b[32m✓\u001b[0m adds prices\n\u001b[31m✗\u001b[0m multiplies by the quantity\n  expected 30, got 10', true)
  await agent.say([
    'The total summed **prices** and never looked at `quantity`. I changed one line:',
    '',
    '```ts',
    'return items.reduce((sum, item) => sum + item.price * item.quantity, 0)',
    '```',
    '',
    'Two things to know before this is merged:',
    '',
    '1. Items from the old cart have no quantity; they count as `NaN` now.',
    '2. The invoice uses the same function, so past invoices would change.',
    '',
    '| case | before | after |',
    '|---|---|---|',
    '| 3 × 10 € | 10 € | 30 € |',
    '| old cart | 10 € | NaN |',
  ].join('\n'))
}
