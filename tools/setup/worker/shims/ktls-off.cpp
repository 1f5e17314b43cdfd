/*
 * Debian's and Ubuntu's OpenSSL is built with kernel TLS. While a handshake runs, OpenSSL asks the BIO whether
 * the kernel does the encryption, and when it hears yes it allocates no write buffer. The worker's BIO callback
 * answers 1 to every control it does not know, these two included, and the worker then dies of SIGSEGV on the
 * first DTLS handshake. The linker's --wrap sends the worker's BIO_set_callback_ex() here; the two questions are
 * answered with no, everything else goes to the worker's own callback.
 */
#include <openssl/bio.h>

#include <atomic>

namespace {

// From <openssl/bio.h>, where they are only defined when the header itself is configured for kernel TLS.
constexpr int CtrlGetKtlsSend = 73;
constexpr int CtrlGetKtlsRecv = 76;

// The worker installs one and the same function on every BIO it has.
std::atomic<BIO_callback_fn_ex> workerCallback{nullptr};

long callback(
    BIO* bio, int operation, const char* argp, size_t len, int argi, long argl, int ret, size_t* processed) {
  const bool control = (operation & ~BIO_CB_RETURN) == BIO_CB_CTRL;
  if (control && (argi == CtrlGetKtlsSend || argi == CtrlGetKtlsRecv)) return 0;
  return workerCallback.load(std::memory_order_relaxed)(bio, operation, argp, len, argi, argl, ret, processed);
}

}  // namespace

extern "C" void __real_BIO_set_callback_ex(BIO* bio, BIO_callback_fn_ex installed);

extern "C" void __wrap_BIO_set_callback_ex(BIO* bio, BIO_callback_fn_ex installed) {
  workerCallback.store(installed, std::memory_order_relaxed);
  __real_BIO_set_callback_ex(bio, installed ? callback : nullptr);
}
