// The agent's course: its mode, its model and how long it may think. What is shown is what the worker confirmed; what
// somebody asked for stands beside it until the log says what became of it.

import { signal, type Signal } from '@preact/signals'
import type { Author, LogEvent } from '../types'
import { record, text } from './parts'

export type Setting = 'mode' | 'model' | 'thinking'

export interface Asked {
  value: string
  by: Author
  /** What the worker said against it. */
  refused: string
}

const SETTINGS: Record<string, Setting> = { set_permission_mode: 'mode', set_model: 'model', set_max_thinking_tokens: 'thinking' }

export class Course {
  readonly mode = signal<string | null>(null)
  readonly model = signal<string | null>(null)
  /** Tokens; `auto` where the agent decides, nothing while nobody said. */
  readonly thinking = signal<string | null>(null)
  readonly asked: Record<Setting, Signal<Asked | null>> = { mode: signal(null), model: signal(null), thinking: signal(null) }
  private readonly requests = new Map<string, { setting: Setting; value: string }>()

  confirm(setting: 'mode' | 'model', value: string): void {
    this[setting].value = value
    if (this.asked[setting].value?.value === value) this.asked[setting].value = null
  }

  note(event: LogEvent): void {
    const request = text(event.data.request)
    if (event.kind === 'control_requested') {
      const control = record(event.data.control)
      const setting = SETTINGS[text(control.subtype)]
      if (!setting) return
      const tokens = control.max_thinking_tokens
      const value = setting === 'thinking' ? (typeof tokens === 'number' ? String(tokens) : 'auto') : text(control.mode) || text(control.model)
      this.requests.set(request, { setting, value })
      this.asked[setting].value = { value, by: event.by, refused: '' }
      return
    }
    const known = this.requests.get(request)
    if (!known) return
    this.requests.delete(request)
    const asked = this.asked[known.setting]
    if (asked.value?.value !== known.value) return
    if (event.kind === 'control_dropped') asked.value = null
    else if (event.data.ok === false) asked.value = { ...asked.value, refused: text(record(record(event.payload).response).error) || '?' }
    else {
      // A mode is told again by the worker itself, which may have taken another; the others are not.
      if (known.setting !== 'mode') this[known.setting].value = known.value
      asked.value = null
    }
  }
}
