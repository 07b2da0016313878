// What breaks while it is drawn breaks alone: the rest of the app goes on, and somebody is told.

import type { ComponentChildren } from 'preact'
import { useErrorBoundary } from 'preact/hooks'
import { t } from '../words'

export function Guard({ children }: { children: ComponentChildren }) {
  const [broken] = useErrorBoundary((error) => console.warn(error))
  return broken === undefined ? <>{children}</> : <p class="problem small" role="alert">{t('app.broken')}</p>
}
