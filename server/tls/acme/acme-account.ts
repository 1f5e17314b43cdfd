import { CodedError } from '../../../common/errors.ts'
import { type AcmeWork, withAcme } from './acme-library.ts'
import type { AcmeAccount } from './acme-record.ts'

/** An account that the CA knows. */
export type KnownAccount = AcmeAccount & { readonly url: string }

/** A new key for an account. The CA hears of it in `registered`. */
export async function newAccount(email: string, about: AcmeWork): Promise<AcmeAccount> {
  const key = await withAcme(about, (acme) => acme.crypto.createPrivateEcdsaKey())
  return { key: key.toString(), url: null, email }
}

/**
 * Makes the account known to the CA, or tells the CA its other e-mail address. The operator agrees to the CA's terms of
 * service by giving an address (RFC 8555 section 7.3).
 * @throws CodedError as orderCertificate
 */
export async function registered(
  directory: string,
  account: AcmeAccount,
  email: string,
  about: AcmeWork,
): Promise<KnownAccount> {
  const { key, url } = account
  if (url !== null && account.email === email) return { key, url, email }
  return await withAcme(about, async (acme) => {
    const client = new acme.Client({
      directoryUrl: directory,
      accountKey: key,
      ...(url !== null && { accountUrl: url }),
    })
    const contact = [`mailto:${email}`]
    // The library finds an account that exists already by its key, and then changes it.
    if (url === null) await client.createAccount({ termsOfServiceAgreed: true, contact })
    else await client.updateAccount({ contact })
    const known = client.getAccountUrl()
    if (!/^https:\/\/\S{1,2000}$/.test(known))
      throw new CodedError('acme_refused', 'the ACME server gives the account no https address')
    return { key, url: known, email }
  })
}
