// Home before anything ever ran: the three lines that change that.

import { Check, Copy } from 'lucide-preact'
import { useSignal } from '@preact/signals'
import { t } from '../words'

export function Empty() {
  const copied = useSignal(false)
  const lines = [
    `export CLAUDE_BRIDGE_BASE_URL=${location.origin}`,
    'export CLAUDE_BRIDGE_OAUTH_TOKEN=$(rcsctl key create laptop)',
    'ccb remote-control',
  ]
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(lines.join('\n'))
      copied.value = true
      setTimeout(() => (copied.value = false), 2_000)
    } catch {
      // Pages without TLS may not write there; the lines can be selected.
      const box = document.getElementById('empty-lines')
      if (box) getSelection()?.selectAllChildren(box)
    }
  }
  return (
    <div class="empty">
      <h2>{t('home.empty')}</h2>
      <p class="quiet">{t('home.empty.how')}</p>
      <div class="empty-code">
        {/* One line each, broken where a shell would not mind, so that a phone shows all of it. */}
        <ol id="empty-lines">{lines.map((line) => <li key={line}><code>{line}</code></li>)}</ol>
        <button class="copy" onClick={() => void copy()} aria-label={t('empty.copy')}>
          {copied.value ? <Check size={16} aria-hidden="true" /> : <Copy size={16} aria-hidden="true" />}
          <span role="status">{t(copied.value ? 'empty.copied' : 'item.copy')}</span>
        </button>
      </div>
    </div>
  )
}
