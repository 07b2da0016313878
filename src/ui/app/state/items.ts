// What a conversation consists of.

import type { Signal } from '@preact/signals'
import type { Author, Winner } from '../types'
import type { Change } from './acp'
import type { Raw } from './parts'

interface Base {
  key: string
  at: string
  sequence: number
}

/** A stored file that goes with a prompt. */
export interface Attached {
  uuid: string
  name: string
}

export interface Prompt extends Base {
  kind: 'prompt'
  id: string | null
  text: string
  images: string[]
  files: Attached[]
  by: Author
  state: 'queued' | 'delivered' | 'seen' | 'cancelled'
}

export interface Words extends Base {
  kind: 'words' | 'thinking'
  text: string
  streaming: boolean
}

export interface Tool extends Base {
  kind: 'tool'
  id: string
  name: string
  input: Raw
  /** What it does in a few words, where the agent says so. */
  title: string
  changes: Change[]
  result: { text: string; isError: boolean; images: string[] } | null
  /** What a sub-agent did for it; nothing where there is none. */
  steps: Signal<Signal<Item>[]> | null
}

export interface Ask extends Base {
  kind: 'ask'
  request: string
  tool: string
  input: Raw
  title: string
  changes: Change[]
  words: string
  /** Permissions that the agent itself proposes to give for good. */
  suggestions: Raw[]
  state: 'open' | 'decided' | 'cancelled'
  winner: (Winner & { rule: string | null }) | null
}

export interface Notice extends Base {
  kind: 'notice'
  what:
    | 'mode'
    | 'model'
    | 'online'
    | 'offline'
    | 'compacted'
    | 'error'
    | 'interrupted'
    | 'cleared'
    | 'gap'
    | 'anew'
    | 'rule'
    | 'command'
  text: string
  by: Author | null
}

export type Item = Prompt | Words | Tool | Ask | Notice
