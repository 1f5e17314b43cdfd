import { useState } from 'preact/hooks'
import { accessToken, forgetAccessToken, keepAccessToken } from './access-token.ts'

interface TokenFormProps {
  /** The token has changed, or was removed. */
  readonly onChange: () => void
}

/** Takes a pasted token, for this tab. */
export function TokenForm({ onChange }: TokenFormProps) {
  const [wrong, setWrong] = useState(false)
  const [known, setKnown] = useState(() => accessToken() !== null)
  const submit = (event: SubmitEvent & { readonly currentTarget: HTMLFormElement }) => {
    event.preventDefault()
    const text = new FormData(event.currentTarget).get('token')
    const kept = typeof text === 'string' && keepAccessToken(text)
    setWrong(!kept)
    if (!kept) return
    event.currentTarget.reset()
    setKnown(true)
    onChange()
  }
  const forget = () => {
    forgetAccessToken()
    setKnown(false)
    onChange()
  }
  return (
    <form class="token" onSubmit={submit} data-testid="token-form">
      <label for="token">Paste your token</label>
      <div>
        <input
          id="token"
          name="token"
          type="password"
          autocomplete="off"
          spellcheck={false}
          required
          aria-invalid={wrong}
          data-testid="token"
        />
        <button type="submit" class="button" data-testid="use-token">
          Use it
        </button>
      </div>
      {wrong && <p role="alert">That does not look like a token.</p>}
      {known && (
        <p>
          This tab uses a token.{' '}
          <button type="button" class="link" onClick={forget} data-testid="forget-token">
            Forget it
          </button>
        </p>
      )}
    </form>
  )
}
