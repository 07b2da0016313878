// What the agent says that it offers: commands, modes, models, what prompts may hold; and the files that it touched.
// Only what was said is offered.

import { signal } from '@preact/signals'
import type { LogEvent } from '../types'
import { list, record, text, type Raw } from './parts'

export interface Offer {
  /** What is sent. */
  value: string
  /** What people call it. */
  name: string
  description: string
}

/** Files that are remembered: the ones that were touched last. */
const PATHS_MAX = 400
/** Commands that are remembered; agents announce dozens. */
const COMMANDS_MAX = 500

export class Offers {
  readonly commands = signal<Offer[] | null>(null)
  readonly modes = signal<Offer[] | null>(null)
  readonly models = signal<Offer[] | null>(null)
  /** Whether it is an agent behind a link, which takes blocks and no stored files. */
  readonly isLink = signal(false)
  /** What its prompts may hold, as it said; nothing while it has not. */
  readonly prompts = signal<{ image: boolean; resource: boolean } | null>(null)
  readonly directory = signal('')
  private readonly touched = new Map<string, true>()

  note(event: LogEvent): void {
    const payload = record(event.payload)
    if (event.kind === 'session_bound') {
      this.isLink.value = true
      this.link(payload.payload === undefined ? payload : record(payload.payload))
      return
    }
    if (event.data.kind !== 'system') return
    if (payload.type === 'session_update') this.update(record(record(payload.payload).update))
    else if (payload.type === 'system' && payload.subtype === 'init') this.init(payload)
  }

  /** Lists of which only the ids are known, as the server keeps them. */
  byIds(modes: string[] | undefined, models: string[] | undefined): void {
    const named = (ids: string[]) => ids.map((id) => ({ value: id, name: id, description: '' }))
    if (modes) this.modes.value ??= named(modes)
    if (models) this.models.value ??= named(models)
  }

  /** Takes from what was said earlier where nothing was said since. */
  fill(earlier: Offers): void {
    this.isLink.value ||= earlier.isLink.peek()
    this.commands.value ??= earlier.commands.peek()
    this.modes.value ??= earlier.modes.peek()
    this.models.value ??= earlier.models.peek()
    this.prompts.value ??= earlier.prompts.peek()
    this.directory.value ||= earlier.directory.peek()
  }

  /** Newest first. */
  paths(): string[] {
    return [...this.touched.keys()].reverse()
  }

  touch(path: string): void {
    if (!path || path.length > 1_000 || /[\n\r]/.test(path)) return
    this.touched.delete(path)
    this.touched.set(path, true)
    const oldest = this.touched.keys().next().value
    if (this.touched.size > PATHS_MAX && oldest !== undefined) this.touched.delete(oldest)
  }

  private init(payload: Raw): void {
    if (text(payload.cwd)) this.directory.value = text(payload.cwd)
    const names = Array.isArray(payload.slash_commands) ? payload.slash_commands.map(text).filter(Boolean) : []
    if (names.length > 0) {
      this.commands.value = names.slice(0, COMMANDS_MAX).map((name) => ({ value: name, name, description: '' }))
    }
  }

  /** What an agent behind a link said when its session began. */
  private link(said: Raw): void {
    const modes = list(record(said.modes).availableModes)
    if (modes.length > 0) this.modes.value = modes.map((mode) => offer(mode, text(mode.id)))
    const models = list(record(said.models).availableModels)
    if (models.length > 0) this.models.value = models.map((model) => offer(model, text(model.modelId)))
    if (said.promptCapabilities !== undefined) {
      const prompts = record(said.promptCapabilities)
      this.prompts.value = { image: prompts.image === true, resource: prompts.embeddedContext === true }
    }
    this.options(said.configOptions)
  }

  private update(update: Raw): void {
    switch (update.sessionUpdate) {
      case 'available_commands_update':
        this.commands.value = list(update.availableCommands).slice(0, COMMANDS_MAX).map((command) => offer(command, text(command.name)))
        return
      case 'config_option_update':
        return this.options(update.configOptions)
    }
  }

  private options(options: unknown): void {
    for (const option of list(options)) {
      const values = list(option.options).map((one) => offer(one, text(one.value)))
      if (values.length === 0) continue
      if (option.category === 'mode' && !this.modes.value) this.modes.value = values
      if (option.category === 'model' && !this.models.value) this.models.value = values
    }
  }
}

function offer(raw: Raw, value: string): Offer {
  return { value, name: text(raw.name) || value, description: text(raw.description) }
}
