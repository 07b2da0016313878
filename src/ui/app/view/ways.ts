// What else an agent proposes to allow, in words that say how far each of them reaches.

import { list, text, type Raw } from '../state/parts'
import { plain } from '../text/plain'
import { t } from '../words'
import { modeName } from './settings'

export interface Way {
  words: string
  where: string
  /** Goes back as it came. */
  update: Raw
}

const PLACES = ['session', 'localSettings', 'projectSettings', 'userSettings'] as const

export function waysOf(suggestions: readonly Raw[], isAdmin: boolean): Way[] {
  return suggestions.flatMap((update) => {
    const words = wordsOf(update, isAdmin)
    return words ? [{ words, where: whereOf(text(update.destination)), update }] : []
  })
}

function wordsOf(update: Raw, isAdmin: boolean): string {
  switch (update.type) {
    case 'addRules': {
      // A proposal to forbid, or to ask, is no way to allow.
      if (update.behavior !== 'allow') return ''
      const rules = list(update.rules).map((rule) => `${text(rule.toolName)}${text(rule.ruleContent) ? `(${text(rule.ruleContent)})` : ''}`)
      return rules.length > 0 ? t('ask.more.rules', { what: plain(rules.join(', ')) }) : ''
    }
    case 'addDirectories': {
      const directories = Array.isArray(update.directories) ? update.directories.map(text).filter(Boolean) : []
      return directories.length > 0 ? t('ask.more.directories', { what: plain(directories.join(', ')) }) : ''
    }
    case 'setMode': {
      const mode = text(update.mode)
      return mode && (mode !== 'bypassPermissions' || isAdmin) ? t('ask.more.mode', { what: modeName(mode) }) : ''
    }
    default:
      return ''
  }
}

function whereOf(destination: string): string {
  const known = PLACES.find((place) => place === destination)
  return known ? t(`ask.where.${known}`) : t('ask.where.other', { where: plain(destination) })
}
