// Questions with options: one or several of them, or words of one's own.

import { useSignal } from '@preact/signals'
import { useId, useLayoutEffect, useRef } from 'preact/hooks'
import { list, record, text } from '../state/parts'
import { plain } from '../text/plain'
import { t } from '../words'

export interface Question {
  question: string
  header: string
  multiSelect: boolean
  options: { label: string; description: string }[]
}

/** What an agent asks, as far as it can be answered: some write an option as a mere word. Nothing where it cannot. */
export function questionsOf(raw: unknown): Question[] | null {
  const questions = list(raw).map((one) => ({
    question: text(one.question),
    header: text(one.header),
    multiSelect: one.multiSelect === true,
    options: (Array.isArray(one.options) ? one.options : [])
      .map((option) => ({ label: text(option) || text(record(option).label), description: text(record(option).description) }))
      .filter(({ label }, index, all) => label && all.findIndex((other) => other.label === label) === index),
  }))
  return questions.length > 0 && questions.every(({ question }) => question) ? questions : null
}

interface Props {
  questions: Question[]
  send: (answers: Record<string, string | string[]>) => void
  deny: (message: string) => void
}

const OTHER = '\u0000other'

export function Questions({ questions, send, deny }: Props) {
  const chosen = useSignal<Record<string, string[]>>({})
  const own = useSignal<Record<string, string>>({})
  const denying = useSignal(false)
  const words = useRef<HTMLTextAreaElement>(null)
  const form = useId()
  // With what is drawn and not a frame later: a key that is pressed in between would be lost, or act as a shortcut.
  useLayoutEffect(() => {
    if (denying.value) words.current?.focus()
  }, [denying.value])
  const answerTo = (question: Question): string[] => {
    const picked = chosen.value[question.question] ?? []
    const said = own.value[question.question]?.trim() ?? ''
    return picked.flatMap((label) => (label === OTHER ? (said ? [said] : []) : [label]))
  }
  const isComplete = questions.every((question) => answerTo(question).length > 0)
  const pick = (question: Question, label: string, on: boolean) => {
    const before = chosen.value[question.question] ?? []
    const next = question.multiSelect ? (on ? [...before, label] : before.filter((one) => one !== label)) : [label]
    chosen.value = { ...chosen.value, [question.question]: next }
  }
  return (
    <form
      class="questions"
      onSubmit={(event) => {
        event.preventDefault()
        if (!isComplete) return
        send(Object.fromEntries(questions.map((question) => {
          const answer = answerTo(question)
          return [question.question, question.multiSelect ? answer : answer[0]!]
        })))
      }}
    >
      {questions.map((question, index) => (
        <fieldset key={index}>
          <legend>
            {question.header && <span class="tag">{plain(question.header)}</span>}
            <bdi>{plain(question.question)}</bdi>
            {question.multiSelect && <span class="quiet small"> {t('ask.several')}</span>}
          </legend>
          {[...question.options, { label: OTHER, description: '' }].map((option) => {
            const isOther = option.label === OTHER
            const on = (chosen.value[question.question] ?? []).includes(option.label)
            return (
              <label key={option.label} class={`option${on ? ' option-on' : ''}`}>
                <input type={question.multiSelect ? 'checkbox' : 'radio'} name={`${form}-${index}`} checked={on} onChange={(event) => pick(question, option.label, event.currentTarget.checked)} />
                <span>
                  <bdi>{isOther ? t('ask.other') : plain(option.label)}</bdi>
                  {option.description && <span class="quiet small block">{plain(option.description)}</span>}
                </span>
              </label>
            )
          })}
          {(chosen.value[question.question] ?? []).includes(OTHER) && (
            <input class="field" aria-label={t('ask.other')} dir="auto" value={own.value[question.question] ?? ''} onInput={(event) => (own.value = { ...own.value, [question.question]: event.currentTarget.value })} />
          )}
        </fieldset>
      ))}
      {denying.value && <textarea ref={words} class="field" rows={2} aria-label={t('ask.deny.words')} placeholder={t('ask.deny.words')} dir="auto" />}
      <div class="button-row">
        <button type="button" class={`button${denying.value ? ' button-danger' : ''}`} onClick={() => (denying.value ? deny(words.current?.value ?? '') : (denying.value = true))}>
          {denying.value ? t('ask.deny.send') : t('ask.deny')}
        </button>
        <button class="button button-main" disabled={!isComplete}>{t('ask.answer')}</button>
      </div>
    </form>
  )
}
