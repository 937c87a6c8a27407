"""Laws: rules written once that apply to every operation they fit.

Which operations there are is said by the OpenAPI documents and a suite's table of facts; the
engine's laws know no service. Whether single answers keep to their document is in `contract`.
"""
