// What is done to many sessions at once, within a thumb's reach.

import { Archive, X } from 'lucide-preact'
import { useEffect } from 'preact/hooks'
import { useSignal } from '@preact/signals'
import { archive, selected, selection, shownIds } from '../state/list'
import { t } from '../words'
import { confirm } from './dialog'

export function Bulk() {
  const busy = useSignal(false)
  const isOn = selection.value !== null
  useEffect(() => {
    if (!isOn) return
    const leave = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && !document.querySelector('dialog[open]')) selection.value = null
    }
    document.addEventListener('keydown', leave)
    return () => document.removeEventListener('keydown', leave)
  }, [isOn])
  if (!isOn) return null
  const ids = selected.value
  const isAll = ids.length === shownIds.value.length && ids.length > 0
  const run = async () => {
    // Those that were meant when it was asked: the list moves by itself.
    const meant = [...ids]
    if (!(await confirm(t('select.sure', { n: meant.length })))) return
    busy.value = true
    await archive(meant)
    busy.value = false
  }
  return (
    <div class="bulk" role="toolbar" aria-label={t('select.start')}>
      <button class="icon-button" aria-label={t('select.done')} onClick={() => (selection.value = null)}><X size={20} aria-hidden="true" /></button>
      <span class="bulk-count" role="status">{t('select.count', { n: ids.length })}</span>
      <button class="link" onClick={() => (selection.value = new Set(isAll ? [] : shownIds.value))}>{t(isAll ? 'select.none' : 'select.all')}</button>
      <span class="spring" />
      <button class="button button-danger" disabled={ids.length === 0 || busy.value} onClick={() => void run()}>
        <Archive size={18} aria-hidden="true" /><span class="bulk-word">{t('select.archive')}</span>
      </button>
    </div>
  )
}
