/** A certificate and its key, PEM; `certificate` holds the chain as well. */
export interface Identity {
  readonly certificate: string
  readonly key: string
}

/** The certificate that a listener shows, with its successors. */
export interface ServerIdentity extends AsyncDisposable {
  readonly current: Identity
  /** Called when `current` has changed. Call the returned function to stop. */
  onChange(listener: () => void): () => void
}
