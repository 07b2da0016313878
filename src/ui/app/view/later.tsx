// A part of the app that is fetched when it is needed: most people never open it.

import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { FunctionComponent } from 'preact'
import { t } from '../words'

export function Later({ of }: { of: () => Promise<FunctionComponent> }) {
  const part = useSignal<FunctionComponent | 'gone' | null>(null)
  useEffect(() => {
    of().then(
      (found) => (part.value = found),
      // The server was renewed since this page was opened, or there is no way to it.
      () => (part.value = 'gone'),
    )
  }, [of])
  if (part.value === 'gone') {
    return (
      <div class="nothing-chosen">
        <p class="problem" role="alert">{t(navigator.onLine ? 'admin.gone' : 'reach.lost')}</p>
        <p><button class="button" onClick={() => location.reload()}>{t('update.reload')}</button></p>
      </div>
    )
  }
  if (!part.value) return <p class="quiet nothing-chosen" aria-busy="true">{t('home.loading')}</p>
  const Part = part.value
  return <Part />
}
