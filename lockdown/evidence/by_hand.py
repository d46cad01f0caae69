"""VERIFY.txt: how to check a run with jq, base64, openssl and sha256sum alone."""

from __future__ import annotations

from lockdown.evidence.algorithms import Algorithm

SIGNED = """\
This is a sealed run of lockdown. To check it without lockdown, you need jq, base64, openssl, sha256sum, a POSIX shell,
and the signer's public key, obtained from the signer's organisation and never together with this run.

Set KEY to the file of that key, and run the rest from the directory that holds this file:

  export KEY=/path/to/public.pem

1. The fingerprint of the key. Compare it with the one that the organisation publishes.

  openssl pkey -pubin -in "$KEY" -outform DER | sha256sum

2. The two signatures. Each must print "Verified OK".

  work=$(mktemp -d)
  for e in run/run.dsse.json seal/bundle.dsse.json; do
    n=$(basename "$e" .dsse.json)
    t=$(jq -r .payloadType "$e")
    jq -r .payload "$e" | base64 -d > "$work/$n"
    { printf 'DSSEv1 %s %s %s ' "${#t}" "$t" "$(wc -c < "$work/$n" | tr -d ' ')"; cat "$work/$n"; } > "$work/$n.signed"
    jq -r '.signatures[0].sig' "$e" | base64 -d > "$work/$n.sig"
    openssl dgst -sha256 -verify "$KEY" -signature "$work/$n.sig" "$work/$n.signed"
  done

3. The list of digests is the signed one, and belongs to this run. Both must print "OK".

  jq -r '.subject[] | .digest.sha256 + "  " + .name' "$work/bundle" | sha256sum -c -
  echo "$(jq -r .predicate.runPayload.sha256 "$work/bundle")  $work/run" | sha256sum -c -

4. Every file is as listed, and none was added. The last command must print nothing.

  sha256sum -c SHA256SUMS
  jq -r '.subject[] | .digest.sha256 + "  " + .name' "$work/run" | sha256sum -c -
  find . ! -type d ! -path './seal/*' ! -path ./SHA256SUMS | cut -c3- > "$work/found"
  cut -c67- SHA256SUMS | sort "$work/found" - | uniq -u

5. What the signer says was found, where, and whether that was everything.

  jq .predicate "$work/run"

These commands prove that nothing changed since somebody with that key signed it. Whether to believe the signer they do
not prove.
"""

CLAIMED = """
Nor do they prove when it was signed: the times are the signer's own claim.
"""

DATED = """
6. When it was signed, by the word of a time-stamping authority. Set TSA to the file of the certificate that you expect
its chain to end in, in PEM form, obtained apart from this run. Each of the two must print "Verification: OK" (once a
certificate has expired, add -attime with the seconds since 1970 of a moment when it was valid); then come the times.

  export TSA=/path/to/tsa-root.pem
  openssl ts -verify -in run/run.tsr -data "$work/run.sig" -CAfile "$TSA"
  openssl ts -verify -in seal/bundle.tsr -data "$work/bundle.sig" -CAfile "$TSA"
  openssl ts -reply -in run/run.tsr -text | grep "Time stamp:"
  openssl ts -reply -in seal/bundle.tsr -text | grep "Time stamp:"
"""

UNSIGNED = """\
This is a run of lockdown that nobody signed. Anybody can have changed it together with its digests, so it is no
evidence. What can be checked is that it is intact since SHA256SUMS was written. Run this from the directory that holds
this file:

  sha256sum -c SHA256SUMS
"""


_ONE_KEY = (
    """and the signer's public key, obtained from the signer's organisation and never together with this run.

Set KEY to the file of that key, and run the rest from the directory that holds this file:

  export KEY=/path/to/public.pem
""",
    """  openssl pkey -pubin -in "$KEY" -outform DER | sha256sum
""",
    """    openssl dgst -sha256 -verify "$KEY" -signature "$work/$n.sig" "$work/$n.signed"
""",
)
_TWO_KEYS = (
    """and two public keys, obtained from the signers' organisation and never together with this run: of who signed the
run, and of who accepted it as a baseline and sealed it again.

Set RUN_KEY and KEY to the files of those keys, and run the rest from the directory that holds this file:

  export RUN_KEY=/path/to/run-public.pem
  export KEY=/path/to/public.pem
""",
    """  openssl pkey -pubin -in "$RUN_KEY" -outform DER | sha256sum
  openssl pkey -pubin -in "$KEY" -outform DER | sha256sum
""",
    """    case $n in
      run) openssl dgst -sha256 OF_RUN-verify "$RUN_KEY" -signature "$work/$n.sig" "$work/$n.signed" ;;
      *) openssl dgst -sha256 -verify "$KEY" -signature "$work/$n.sig" "$work/$n.signed" ;;
    esac
""",
)
_PSS = "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 "


def text(algorithm: Algorithm | None, *, dated: bool, of_run: Algorithm | None = None) -> str:
    """Return VERIFY.txt for a run.

    Args:
        algorithm: of the key that sealed it; None if none did.
        dated: whether it has timestamps.
        of_run: of the key that signed the run, where that is another.
    """
    if algorithm is None:
        return UNSIGNED
    found = SIGNED if algorithm == "ES256" else _with_pss(SIGNED)
    if of_run is not None:
        for one, two in zip(_ONE_KEY, _TWO_KEYS, strict=True):
            alike, otherwise = (part if algorithm == "ES256" else _with_pss(part) for part in (one, two))
            found = found.replace(alike, otherwise)
        # The line of the run has its own options, whatever those of the seal are.
        found = found.replace(f"{_PSS}OF_RUN", "OF_RUN").replace("OF_RUN", "" if of_run == "ES256" else _PSS)
    return found + (DATED if dated else CLAIMED)


def _with_pss(part: str) -> str:
    return part.replace("openssl dgst -sha256 ", f"openssl dgst -sha256 {_PSS}")
