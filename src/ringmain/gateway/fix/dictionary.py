"""What FIX messages the gateway takes and gives, field by field; the reference page is made from it.

Numbers and rules are those of FIX 4.4 (with Errata) and FIX 5.0 SP2 over FIXT.1.1, as the FIX Trading
Community publishes them. A field that a message may have but the gateway does not read is listed as
ignored; a field that is not listed is refused by its tag, so that nobody believes in an order
instruction (MinQty, say) that the venue would not follow. What FIX has no field for has one of the
venue's own, of the tags that are kept for agreements between two parties.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

FIX44, FIXT11 = b"FIX.4.4", b"FIXT.1.1"
BEGIN_STRINGS = (FIX44, FIXT11)
APPL_VER_FIX50SP2 = b"9"
LAST_STANDARD_TAG, FIRST_USER_TAG = 4_999, 5_000  # from there on others than the venue's own are ignored
CLIP_PRICE_STEP, BALANCING = 20_001, 20_002  # the venue's own

HEARTBEAT, TEST_REQUEST, RESEND_REQUEST, REJECT, SEQUENCE_RESET, LOGOUT, LOGON = (
    b"0", b"1", b"2", b"3", b"4", b"5", b"A",
)  # fmt: skip
ADMIN_TYPES = frozenset((HEARTBEAT, TEST_REQUEST, RESEND_REQUEST, REJECT, SEQUENCE_RESET, LOGOUT, LOGON))
NEW_ORDER_SINGLE, CANCEL_REQUEST, REPLACE_REQUEST, MASS_CANCEL_REQUEST, STATUS_REQUEST = (
    b"D", b"F", b"G", b"q", b"H",
)  # fmt: skip
MASS_QUOTE, SINGLE_QUOTE, QUOTE_CANCEL, NEW_ORDER_LIST, LIST_CANCEL, LIST_STATUS_REQUEST, MULTILEG = (
    b"i", b"S", b"Z", b"E", b"K", b"M", b"AB",
)  # fmt: skip
MASS_QUOTE_ACKNOWLEDGEMENT, QUOTE_STATUS, LIST_STATUS = b"b", b"AI", b"N"
MARKET_DATA_REQUEST, SECURITY_LIST_REQUEST, SECURITY_STATUS_REQUEST = b"V", b"x", b"e"
EXECUTION_REPORT, CANCEL_REJECT, MASS_CANCEL_REPORT, BUSINESS_REJECT = b"8", b"9", b"r", b"j"
SNAPSHOT, INCREMENTAL, MARKET_DATA_REJECT, SECURITY_LIST, SECURITY_STATUS = b"W", b"X", b"Y", b"y", b"f"

# SessionRejectReason (373).
INVALID_TAG, TAG_MISSING, TAG_NOT_OF_MESSAGE, UNDEFINED_TAG, NO_VALUE, VALUE_OUT_OF_RANGE, WRONG_FORMAT = (
    range(7)
)
COMP_ID_PROBLEM, SENDING_TIME_PROBLEM, INVALID_MSG_TYPE = 9, 10, 11
TAG_TWICE, TAG_OUT_OF_ORDER, GROUP_OUT_OF_ORDER, WRONG_GROUP_COUNT = 13, 14, 15, 16

STRING, CHAR, INT, SEQNUM, BOOLEAN, DECIMAL, TIME, COUNT, LENGTH, DATA, DATE = range(11)
TYPE_NAMES = ("String", "char", "int", "SeqNum", "Boolean", "float", "UTCTimestamp", "NumInGroup", "Length",
              "data", "LocalMktDate")  # fmt: skip

# Tag to name and type. What the gateway gives but never takes stands here for the reference page.
FIELDS: Mapping[int, tuple[str, int]] = {
    1: ("Account", STRING), 6: ("AvgPx", DECIMAL), 7: ("BeginSeqNo", SEQNUM), 8: ("BeginString", STRING),
    9: ("BodyLength", LENGTH), 10: ("CheckSum", STRING), 11: ("ClOrdID", STRING), 14: ("CumQty", DECIMAL),
    15: ("Currency", STRING), 16: ("EndSeqNo", SEQNUM), 17: ("ExecID", STRING), 21: ("HandlInst", CHAR),
    22: ("SecurityIDSource", STRING), 31: ("LastPx", DECIMAL), 32: ("LastQty", DECIMAL),
    34: ("MsgSeqNum", SEQNUM), 35: ("MsgType", STRING), 36: ("NewSeqNo", SEQNUM), 37: ("OrderID", STRING),
    38: ("OrderQty", DECIMAL), 39: ("OrdStatus", CHAR), 40: ("OrdType", CHAR), 41: ("OrigClOrdID", STRING),
    43: ("PossDupFlag", BOOLEAN), 44: ("Price", DECIMAL), 45: ("RefSeqNum", SEQNUM),
    48: ("SecurityID", STRING), 49: ("SenderCompID", STRING), 50: ("SenderSubID", STRING),
    52: ("SendingTime", TIME), 54: ("Side", CHAR), 55: ("Symbol", STRING), 56: ("TargetCompID", STRING),
    57: ("TargetSubID", STRING), 58: ("Text", STRING), 59: ("TimeInForce", CHAR), 60: ("TransactTime", TIME),
    90: ("SecureDataLen", LENGTH), 91: ("SecureData", DATA), 93: ("SignatureLength", LENGTH),
    89: ("Signature", DATA), 95: ("RawDataLength", LENGTH), 96: ("RawData", DATA),
    97: ("PossResend", BOOLEAN), 98: ("EncryptMethod", INT), 100: ("ExDestination", STRING),
    102: ("CxlRejReason", INT), 103: ("OrdRejReason", INT), 107: ("SecurityDesc", STRING),
    108: ("HeartBtInt", INT), 112: ("TestReqID", STRING), 115: ("OnBehalfOfCompID", STRING),
    116: ("OnBehalfOfSubID", STRING), 122: ("OrigSendingTime", TIME), 123: ("GapFillFlag", BOOLEAN),
    128: ("DeliverToCompID", STRING), 129: ("DeliverToSubID", STRING), 141: ("ResetSeqNumFlag", BOOLEAN),
    142: ("SenderLocationID", STRING), 143: ("TargetLocationID", STRING),
    144: ("OnBehalfOfLocationID", STRING),
    145: ("DeliverToLocationID", STRING), 146: ("NoRelatedSym", COUNT), 150: ("ExecType", CHAR),
    151: ("LeavesQty", DECIMAL), 167: ("SecurityType", STRING), 207: ("SecurityExchange", STRING),
    262: ("MDReqID", STRING), 263: ("SubscriptionRequestType", CHAR), 264: ("MarketDepth", INT),
    265: ("MDUpdateType", INT), 266: ("AggregatedBook", BOOLEAN), 267: ("NoMDEntryTypes", COUNT),
    268: ("NoMDEntries", COUNT), 269: ("MDEntryType", CHAR), 270: ("MDEntryPx", DECIMAL),
    271: ("MDEntrySize", DECIMAL), 278: ("MDEntryID", STRING), 279: ("MDUpdateAction", CHAR),
    281: ("MDReqRejReason", CHAR), 320: ("SecurityReqID", STRING), 322: ("SecurityResponseID", STRING),
    324: ("SecurityStatusReqID", STRING), 326: ("SecurityTradingStatus", INT),
    336: ("TradingSessionID", STRING), 347: ("MessageEncoding", STRING), 354: ("EncodedTextLen", LENGTH),
    355: ("EncodedText", DATA), 369: ("LastMsgSeqNumProcessed", SEQNUM), 371: ("RefTagID", INT),
    372: ("RefMsgType", STRING), 373: ("SessionRejectReason", INT), 379: ("BusinessRejectRefID", STRING),
    380: ("BusinessRejectReason", INT), 383: ("MaxMessageSize", LENGTH), 393: ("TotNoRelatedSym", INT),
    434: ("CxlRejResponseTo", CHAR), 447: ("PartyIDSource", CHAR), 448: ("PartyID", STRING),
    452: ("PartyRole", INT), 453: ("NoPartyIDs", COUNT), 461: ("CFICode", STRING),
    464: ("TestMessageIndicator", BOOLEAN), 527: ("SecondaryExecID", STRING), 528: ("OrderCapacity", CHAR),
    530: ("MassCancelRequestType", CHAR), 531: ("MassCancelResponse", CHAR),
    532: ("MassCancelRejectReason", INT), 533: ("TotalAffectedOrders", INT), 553: ("Username", STRING),
    554: ("Password", STRING), 559: ("SecurityListRequestType", INT), 560: ("SecurityRequestResult", INT),
    581: ("AccountType", INT), 625: ("TradingSessionSubID", STRING), 779: ("LastUpdateTime", TIME),
    790: ("OrdStatusReqID", STRING), 851: ("LastLiquidityInd", INT), 893: ("LastFragment", BOOLEAN),
    911: ("TotNumReports", INT), 1128: ("ApplVerID", STRING), 1129: ("CstmApplVerID", STRING),
    1137: ("DefaultApplVerID", STRING), 1156: ("ApplExtID", INT), 1369: ("MassActionReportID", STRING),
    1407: ("DefaultApplExtID", INT), 1408: ("DefaultCstmApplVerID", STRING), 561: ("RoundLot", DECIMAL),
    18: ("ExecInst", STRING), 99: ("StopPx", DECIMAL), 111: ("MaxFloor", DECIMAL), 126: ("ExpireTime", TIME),
    378: ("ExecRestatementReason", INT), 432: ("ExpireDate", DATE), 1138: ("DisplayQty", DECIMAL),
    66: ("ListID", STRING), 67: ("ListSeqNo", INT), 68: ("TotNoOrders", INT), 73: ("NoOrders", COUNT),
    82: ("NoRpts", INT), 83: ("RptSeq", INT), 84: ("CxlQty", DECIMAL), 117: ("QuoteID", STRING),
    132: ("BidPx", DECIMAL), 133: ("OfferPx", DECIMAL), 134: ("BidSize", DECIMAL),
    135: ("OfferSize", DECIMAL), 293: ("DefBidSize", DECIMAL), 294: ("DefOfferSize", DECIMAL),
    295: ("NoQuoteEntries", COUNT), 296: ("NoQuoteSets", COUNT), 297: ("QuoteStatus", INT),
    298: ("QuoteCancelType", INT), 299: ("QuoteEntryID", STRING), 300: ("QuoteRejectReason", INT),
    301: ("QuoteResponseLevel", INT), 302: ("QuoteSetID", STRING), 304: ("TotNoQuoteEntries", INT),
    368: ("QuoteEntryRejectReason", INT), 394: ("BidType", INT), 429: ("ListStatusType", INT),
    431: ("ListOrderStatus", INT), 433: ("ListExecInstType", CHAR), 442: ("MultiLegReportingType", CHAR),
    444: ("ListStatusText", STRING), 537: ("QuoteType", INT), 555: ("NoLegs", COUNT),
    563: ("MultiLegRptTypeReq", INT), 600: ("LegSymbol", STRING), 602: ("LegSecurityID", STRING),
    603: ("LegSecurityIDSource", STRING), 609: ("LegSecurityType", STRING), 623: ("LegRatioQty", DECIMAL),
    624: ("LegSide", CHAR), 654: ("LegRefID", STRING), 685: ("LegOrderQty", DECIMAL),
    687: ("LegQty", DECIMAL), 1100: ("TriggerType", CHAR), 1101: ("TriggerAction", CHAR),
    1102: ("TriggerPrice", DECIMAL), 1107: ("TriggerPriceType", CHAR),
    1109: ("TriggerPriceDirection", CHAR),
    636: ("WorkingIndicator", BOOLEAN), 2964: ("SelfMatchPreventionInstruction", INT),
    CLIP_PRICE_STEP: ("ClipPriceStep, the venue's own", DECIMAL),
    BALANCING: ("Balancing, the venue's own", BOOLEAN),
}  # fmt: skip
FIELD_TYPES = {tag: kind for tag, (_, kind) in FIELDS.items()}
DATA_OF_LENGTH = {90: 91, 93: 89, 95: 96, 354: 355}  # the data behind a length may hold any byte

CHOICES: Mapping[int, frozenset[bytes]] = {
    54: frozenset(b"1 2".split()),
    40: frozenset(b"1 2 3 4 K".split()),
    59: frozenset(b"0 1 3 4 6".split()),
    18: frozenset(b"6".split()),
    2964: frozenset(b"1 2 3 100".split()),
    263: frozenset(b"0 1 2".split()),
    269: frozenset(b"0 1 2".split()),
    265: frozenset(b"0 1".split()),
    530: frozenset(b"1 7".split()),
    559: frozenset(b"0 4".split()),
    98: frozenset(b"0".split()),
    298: frozenset(b"1 4 5".split()),
    301: frozenset(b"0 1 2".split()),
    394: frozenset(b"1 2 3".split()),
    433: frozenset(b"1 2 3 4 5".split()),
    537: frozenset(b"1".split()),
    563: frozenset(b"1".split()),
    624: frozenset(b"1 2".split()),
}

HEADER_TAGS = frozenset((
    8, 9, 35, 34, 43, 49, 50, 52, 56, 57, 90, 91, 97, 115, 116, 122, 128, 129, 142, 143, 144, 145, 347, 369,
    1128, 1129, 1156,
))  # fmt: skip
TRAILER_TAGS = frozenset((10, 89, 93))
HEADER_REQUIRED = (34, 49, 52, 56)


@dataclass(frozen=True)
class Group:
    """A repeating group: every entry begins with the first tag, and keeps the order of the tags."""

    tags: tuple[int, ...]
    required: tuple[int, ...] = ()
    groups: Mapping[int, "Group"] = field(default_factory=dict)  # inside it, by the tag of their count

    def has(self, tag: int) -> bool:
        """Whether the field stands in it, or in a group inside."""
        return tag in self.tags or any(group.has(tag) for group in self.groups.values())


@dataclass(frozen=True)
class MessageType:
    """A message that the gateway takes: what it has to have, what is read, what is passed over."""

    name: str
    required: tuple[int, ...] = ()
    optional: tuple[int, ...] = ()
    ignored: tuple[int, ...] = ()
    groups: Mapping[int, Group] = field(default_factory=dict)

    def allows(self, tag: int) -> bool:
        """Whether the field may stand in the body, outside of a group."""
        return tag in self.required or tag in self.optional or tag in self.ignored or tag in self.groups


_PARTIES = {453: Group((448, 447, 452), (448,))}
QUOTE_ENTRIES = Group((299, 55, 48, 22, 461, 167, 207, 107, 132, 133, 134, 135, 60, 336, 625, 15), (299, 55))
QUOTE_SETS = Group((302, 304, 893, 295), (302, 304, 295), {295: QUOTE_ENTRIES})
CANCEL_ENTRIES = Group((55, 48, 22, 461, 167, 207, 107), (55,))
LIST_ORDERS = Group(
    (11, 67, 453, 1, 581, 21, 100, 55, 48, 22, 461, 167, 207, 107, 54, 60, 38, 40, 44, 15, 59, 528, 58, 354,
     355),
    (11, 67, 55, 54, 38), _PARTIES,
)  # fmt: skip
LEGS = Group((600, 602, 603, 609, 623, 624, 685, 687, 654), (600,))
_TEXT = (58, 354, 355)
_INSTRUMENT = (48, 22, 167, 207, 461, 107)
_TERMS = (44, 59, 99, 18, 111, 1138, 126, 432, 2964, CLIP_PRICE_STEP, BALANCING)
_ORDER = (1, 15, 21, 100, 336, 625, 528, 581, *_INSTRUMENT, *_TEXT)

TAKEN: Mapping[bytes, MessageType] = {
    HEARTBEAT: MessageType("Heartbeat", (), (112,)),
    TEST_REQUEST: MessageType("TestRequest", (112,)),
    RESEND_REQUEST: MessageType("ResendRequest", (7, 16)),
    REJECT: MessageType("Reject", (45,), (371, 372, 373, 58), (354, 355)),
    SEQUENCE_RESET: MessageType("SequenceReset", (36,), (123,)),
    LOGOUT: MessageType("Logout", (), (58,), (354, 355)),
    LOGON: MessageType(
        "Logon", (98, 108), (141, 553, 554, 1137, 464, 383, 95, 96), (1407, 1408, *_TEXT),
    ),
    NEW_ORDER_SINGLE: MessageType(
        "NewOrderSingle", (11, 55, 54, 60, 38, 40), _TERMS, _ORDER, _PARTIES
    ),
    CANCEL_REQUEST: MessageType(
        "OrderCancelRequest", (11, 41, 55, 54, 60), (37,), (38, *_ORDER), _PARTIES
    ),
    REPLACE_REQUEST: MessageType(
        "OrderCancelReplaceRequest", (11, 41, 55, 54, 60, 38, 40), (37, *_TERMS), _ORDER, _PARTIES
    ),
    MASS_CANCEL_REQUEST: MessageType(
        "OrderMassCancelRequest", (11, 530, 60), (55,), (54, 336, 625, *_INSTRUMENT, *_TEXT), _PARTIES
    ),
    STATUS_REQUEST: MessageType(
        "OrderStatusRequest", (11, 55, 54), (37, 790), (1, *_INSTRUMENT), _PARTIES
    ),
    MASS_QUOTE: MessageType(
        "MassQuote", (117,), (301, 293, 294, 537), (1, 581, *_TEXT), {**_PARTIES, 296: QUOTE_SETS}
    ),
    SINGLE_QUOTE: MessageType(
        "Quote", (117, 55), (301, 132, 133, 134, 135, 537),
        (1, 15, 60, 100, 336, 625, 528, 581, *_INSTRUMENT, *_TEXT), _PARTIES,
    ),
    QUOTE_CANCEL: MessageType(
        "QuoteCancel", (298,), (117, 301), (1, 336, 625, 581), {**_PARTIES, 295: CANCEL_ENTRIES}
    ),
    NEW_ORDER_LIST: MessageType(
        "NewOrderList", (66, 394, 68), (433, 893), (), {73: LIST_ORDERS}
    ),
    LIST_CANCEL: MessageType("ListCancelRequest", (66, 60), (), _TEXT),
    LIST_STATUS_REQUEST: MessageType("ListStatusRequest", (66,), (), _TEXT),
    MULTILEG: MessageType(
        "NewOrderMultileg", (11, 55, 54, 60, 38, 40), (44, 59, 563), _ORDER, {**_PARTIES, 555: LEGS}
    ),
    MARKET_DATA_REQUEST: MessageType(
        "MarketDataRequest", (262, 263, 264), (265,), (266,),
        {267: Group((269,), (269,)), 146: Group((55, 48, 22, 461, 167, 207, 107), (55,))},
    ),
    SECURITY_LIST_REQUEST: MessageType(
        "SecurityListRequest", (320, 559), (55,), (263, 15, 336, 625, *_INSTRUMENT, *_TEXT)
    ),
    SECURITY_STATUS_REQUEST: MessageType(
        "SecurityStatusRequest", (324, 55, 263), (), (15, 336, 625, *_INSTRUMENT)
    ),
    BUSINESS_REJECT: MessageType(
        "BusinessMessageReject", (372, 380), (45, 379, 58), (354, 355)
    ),
}  # fmt: skip
GROUPS_REQUIRED = {
    MARKET_DATA_REQUEST: (267, 146), MASS_QUOTE: (296,), NEW_ORDER_LIST: (73,), MULTILEG: (555,),
}  # fmt: skip

GIVEN: Mapping[bytes, tuple[str, tuple[int, ...]]] = {
    EXECUTION_REPORT: ("ExecutionReport", (
        37, 11, 41, 66, 17, 636, 150, 378, 39, 103, 1, 55, 54, 38, 40, 44, 99, 1100, 1101, 1102, 1107, 1109,
        59, 126, 18, 111, 1138, 32, 31, 527, 851, 151, 14, 6, 60, 58, 442, 555, 790)),
    CANCEL_REJECT: ("OrderCancelReject", (37, 11, 41, 39, 434, 102, 60, 58)),
    MASS_CANCEL_REPORT: ("OrderMassCancelReport", (11, 37, 1369, 530, 531, 532, 533, 55, 60, 58)),
    MASS_QUOTE_ACKNOWLEDGEMENT: ("MassQuoteAcknowledgement", (
        117, 297, 300, 301, 58, 296, 302, 304, 295, 299, 55, 368)),
    QUOTE_STATUS: ("QuoteStatusReport", (117, 298, 55, 132, 133, 134, 135, 60, 297, 300, 58)),
    LIST_STATUS: ("ListStatus", (
        66, 429, 82, 431, 83, 444, 60, 68, 73, 11, 14, 39, 151, 84, 6, 103, 58)),
    SECURITY_LIST: ("SecurityList", (320, 322, 560, 393, 893, 146)),
    SECURITY_STATUS: ("SecurityStatus", (324, 55, 326, 60)),
    SNAPSHOT: ("MarketDataSnapshotFullRefresh", (262, 55, 779, 268)),
    INCREMENTAL: ("MarketDataIncrementalRefresh", (262, 268)),
    MARKET_DATA_REJECT: ("MarketDataRequestReject", (262, 281, 58)),
    BUSINESS_REJECT: ("BusinessMessageReject", (45, 372, 379, 380, 58)),
}  # fmt: skip
