// What is said, in the reader's language. Another language is another file of the same shape, and a line here.

import { computed, effect } from '@preact/signals'
import { kept } from '../state/kept'
import { en, type Word } from './en'
import { zh } from './zh'

export const LANGUAGES = { en: 'English', zh: '中文' } as const
export type Language = keyof typeof LANGUAGES

const CATALOGUES: Record<Language, Record<Word, string>> = { en, zh }

export const chosen = kept<Language | null>('language', null)

export const language = computed<Language>(() => {
  if (chosen.value && chosen.value in CATALOGUES) return chosen.value
  const wanted = navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase())
  return (wanted.find((tag) => tag in CATALOGUES) as Language | undefined) ?? 'en'
})

effect(() => {
  document.documentElement.lang = language.value === 'zh' ? 'zh-Hans' : language.value
})

/** What the service worker says, it says in the language that was chosen here. */
effect(() => {
  const tag = language.value
  void globalThis.caches?.open('words').then((cache) => cache.put('/code/language', new Response(tag))).catch(() => undefined)
})

/** The words, with what belongs in them. */
export function t(word: Word, values: Record<string, string | number> = {}): string {
  const forms = CATALOGUES[language.value][word].split('|')
  const form = (values.n === 1 ? forms[0] : (forms[1] ?? forms[0])) ?? word
  return form.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ''))
}

/** How long ago, or the date where that says more. */
export function ago(at: string, now: number): string {
  const seconds = Math.round((Date.parse(at) - now) / 1000)
  const tag = document.documentElement.lang
  if (seconds > -45) return t('time.now')
  const relative = new Intl.RelativeTimeFormat(tag, { numeric: 'auto', style: 'short' })
  if (seconds > -3_600) return relative.format(Math.round(seconds / 60), 'minute')
  if (seconds > -86_400) return relative.format(Math.round(seconds / 3_600), 'hour')
  if (seconds > -6 * 86_400) return relative.format(Math.round(seconds / 86_400), 'day')
  return new Intl.DateTimeFormat(tag, { dateStyle: 'medium' }).format(Date.parse(at))
}

export function clock(at: string): string {
  return new Intl.DateTimeFormat(document.documentElement.lang, { timeStyle: 'short' }).format(Date.parse(at))
}

/** To the second, with the day: for those who look something up. */
export function moment(at: string): string {
  return new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: 'medium', timeStyle: 'medium' }).format(Date.parse(at))
}
