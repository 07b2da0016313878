// The keys that the server signs with: renewed where one may have leaked.

import { useSignal } from '@preact/signals'
import { call } from '../../api'
import { moment, span, t } from '../../words'
import { confirm } from '../dialog'
import { Problem, useAttempt } from './parts'

const OVERLAPS = [30 * 86_400, 86_400, 3_600, 0] as const

export function Signing() {
  const { problem, busy, attempt } = useAttempt()
  const overlap = useSignal<number>(OVERLAPS[0])
  const done = useSignal<{ previous_until: string; keys: number } | null>(null)
  return (
    <section class="card form" aria-labelledby="signing-title">
      <h3 id="signing-title">{t('signing.title')}</h3>
      <p class="quiet">{t('signing.what')}</p>
      <label for="signing-overlap">{t('signing.overlap')}</label>
      <select id="signing-overlap" class="field" value={overlap.value} onChange={(event) => (overlap.value = Number(event.currentTarget.value))}>
        {OVERLAPS.map((seconds) => <option key={seconds} value={seconds}>{seconds ? span(seconds) : t('signing.overlap.none')}</option>)}
      </select>
      <Problem text={problem.value} />
      {done.value && <p role="status">{t('signing.done', { when: moment(done.value.previous_until), n: done.value.keys })}</p>}
      <div class="dialog-buttons">
        <button class="button button-danger" disabled={busy.value} onClick={() => void attempt(async () => {
          const sure = overlap.value ? t('signing.sure', { span: span(overlap.value) }) : t('signing.sure.none')
          if (!(await confirm(sure, { yes: t('signing.rotate'), grave: true }))) return
          done.value = await call('POST', '/signing/rotate', { overlap: overlap.value })
        })}>{t('signing.rotate')}</button>
      </div>
    </section>
  )
}
