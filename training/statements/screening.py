"""The authored part of the three screening cards: what they share, and what is each programme's own."""

from __future__ import annotations

from datetime import date

from training.card import AuthoredFields, SignOff
from training.statements import common
from training.values import Bilingual


def _statement(
    *, programme: Bilingual, people: Bilingual, context: Bilingual, out_of_scope: Bilingual, reference: str
) -> AuthoredFields:
    """Return the authored part of a programme's card.

    Parameters
    ----------
    programme
        Of what cancer, as it follows "dépistage" and precedes "screening".
    people
        Whom the programme is for and whose test is due.
    context, out_of_scope
        What is known of the programme, and for whom the model is not.
    reference
        Where its rules are.
    """
    fr, en = programme.fr, programme.en
    return AuthoredFields(
        plain_purpose=Bilingual(
            fr=f"Ce modèle estime, pour {people.fr}, la probabilité qu’un test de dépistage {fr} soit fait dans les deux "
            "ans, pour que le cabinet propose son aide d’abord à celles et ceux qui ne viendront pas d’eux-mêmes.",
            en=f"For {people.en}, this model estimates the probability that a test of {en} screening is done within two "
            "years, so that the practice offers its help first to those who will not come by themselves.",
        ),
        plain_prohibition=Bilingual(
            fr="Il ne doit pas servir à renoncer à proposer le dépistage à une personne jugée peu susceptible d’y aller, à "
            "sanctionner ou à classer des patients ou des médecins, ni à une assurance, un employeur ou une promotion "
            "commerciale.",
            en="It must not be used to give up offering screening to somebody thought unlikely to attend, to penalise or rank "
            "patients or doctors, nor by an insurer, an employer or for commercial promotion.",
        ),
        clinical_context=context,
        intended_use=Bilingual(
            fr="Ordonner, dans un cabinet, les personnes pour qui un test est dû, afin de choisir qui appeler, et rappeler en "
            "consultation que le test est dû. L’invitation du programme reste la même pour tous.",
            en="To order, within a practice, the people for whom a test is due, so as to choose whom to call, and to recall "
            "in a consultation that the test is due. The programme’s invitation stays the same for all.",
        ),
        intended_users=Bilingual(
            fr="Médecins généralistes, sages-femmes, infirmiers et assistants médicaux du cabinet ; centres de coordination "
            "des dépistages ; chercheurs.",
            en="General practitioners, midwives, nurses and assistants of the practice; screening coordination centres; "
            "researchers.",
        ),
        out_of_scope=out_of_scope,
        how_to_use=Bilingual(
            fr="Une probabilité basse appelle une aide (parler du test, le remettre, prendre le rendez-vous), jamais un "
            "renoncement. Demander d’abord si un test a été fait ailleurs : le dossier peut l’ignorer.",
            en="A low probability calls for help (talk about the test, hand it out, make the appointment), never for giving "
            "up. First ask whether a test was done elsewhere: the record may not know.",
        ),
        threshold_rationale=Bilingual(
            fr="20 % et 50 % : bornes des trois niveaux affichés (improbable, incertaine, probable), fixées avant l’analyse. "
            "Aucune recommandation ne les définit ; la capacité d’appel du cabinet décide où s’arrête la liste.",
            en="20% and 50%: the bounds of the three levels shown (unlikely, uncertain, likely), set before the analysis. No "
            "guideline defines them; how many people the practice can call decides where the list ends.",
        ),
        interpretation=Bilingual(
            fr="Les données sont synthétiques : les résultats montrent que la méthode retrouve une vérité connue, non ce que le "
            "modèle vaudrait en France. À comparer aux deux règles simples (participations passées, retard) : si le modèle ne "
            "fait pas mieux, la règle suffit. Prédire n’est pas agir : rien ici ne dit qui un appel fera changer d’avis.",
            en="The data are synthetic: results show that the method recovers a known truth, not what the model would be worth "
            "in France. Compare with the two simple rules (past rounds, time overdue): if the model does no better, the rule "
            "will do. To predict is not to act: nothing here tells whose mind a call would change.",
        ),
        fairness_approach=Bilingual(
            fr="Le premier souci est de n’oublier personne : la même calibration pour tous (observé / prédit entre 0,8 et 1,25, "
            "fixé avant l’analyse), et l’on montre quels groupes la liste d’appels atteint. Défavorisation, ruralité et "
            "couverture sont des variables d’entrée : sans elles le modèle croirait les personnes défavorisées plus "
            "participantes qu’elles ne peuvent l’être, et les appellerait moins.",
            en="The first concern is to forget nobody: the same calibration for all (observed / expected between 0.8 and 1.25, "
            "set before the analysis), and which groups the call list reaches is shown. Deprivation, rurality and cover are "
            "inputs: without them the model would think deprived people likelier to attend than they can be, and call "
            "them less.",
        ),
        known_inequalities=Bilingual(
            fr="En France la participation aux dépistages baisse avec la défavorisation et l’éloignement, et chez les personnes "
            "en situation de handicap ou de trouble psychique sévère ; les tests faits hors programme, plus fréquents chez "
            "les plus aisés, ne sont pas tous connus du cabinet.",
            en="In France participation falls with deprivation and distance, and among people with a disability or a severe "
            "mental illness; tests outside the programme, more frequent among the better-off, are not all known to the "
            "practice.",
        ),
        human_oversight=Bilingual(
            fr="Le cabinet choisit qui appeler ; la personne peut refuser, et son refus est inscrit. Le comité peut suspendre le "
            "modèle à tout moment ; le service refuse alors de répondre.",
            en="The practice chooses whom to call; a person may refuse, and the refusal is recorded. The committee may suspend "
            "the model at any time; the service then refuses to answer.",
        ),
        risks_and_limitations=Bilingual(
            fr="Le risque principal est de moins proposer le test à qui l’on croit perdu pour le dépistage. Un test fait ailleurs "
            "et non transmis fait croire à une absence. Les motifs d’exclusion non codés font appeler à tort. Un départ du "
            "cabinet est supposé indépendant de la participation, à caractéristiques égales.",
            en="The main risk is to offer the test less to those thought lost to screening. A test done elsewhere and not "
            "reported looks like none. Exclusions that are not coded lead to wrong calls. Leaving the practice is assumed "
            "independent of taking part, other things equal.",
        ),
        risk_management=Bilingual(
            fr="Validité : validation croisée par cabinet, région et période. Fiabilité : octets du modèle signés, réponses "
            "témoins au démarrage. Équité : audit par groupe et portée de la liste. Intelligibilité : raisons en clair. Sécurité : "
            "abstention sans historique connu. Vie privée : petits effectifs masqués.",
            en="Validity: cross-validation by practice, region and period. Reliability: signed model bytes, golden answers at "
            "start-up. Fairness: audit by group and reach of the list. Intelligibility: reasons in plain words. Safety: "
            "abstention without a known history. Privacy: small counts suppressed.",
        ),
        monitoring=Bilingual(
            fr="Avant tout usage réel : observé / prédit par cabinet chaque semestre, composition de la liste par groupe, part de "
            "tests appris après coup, sous la responsabilité de l’exploitant ; alerte au comité hors de 0,8 à 1,25.",
            en="Before any real use: observed / expected by practice each half-year, make-up of the list by group, share of "
            "tests learnt of later, under the operator’s responsibility; the committee is alerted outside 0.8 to 1.25.",
        ),
        updates=Bilingual(
            fr="L’approbation expire à la date fixée par le comité. Un changement du programme (test, âge, intervalle) demande un "
            "nouveau modèle, donc une nouvelle carte et une nouvelle décision.",
            en="Approval expires on the date set by the committee. A change of the programme (test, age, interval) calls for a "
            "new model, hence a new card and a new decision.",
        ),
        environmental_cost=Bilingual(
            fr="Entraînement et validation : quelques minutes sur deux cœurs de processeur. Une réponse : quelques "
            "millisecondes.",
            en="Training and validation: a few minutes on two processor cores. An answer: a few milliseconds.",
        ),
        legal_basis=common.LEGAL_BASIS,
        patient_information=Bilingual(
            fr=f"Votre cabinet peut s’aider d’un calcul fait à partir de votre dossier pour vous proposer plus tôt son aide pour "
            f"le dépistage {fr}. Ce calcul ne décide de rien et n’ôte à personne l’invitation. Vous pouvez demander à voir les "
            "données utilisées et le résultat, et vous y opposer, sans conséquence sur vos soins (art.\u00a0L.\u00a04001-3 du code de la "
            "santé publique).",
            en=f"Your practice may use a calculation made from your record to offer you help with {en} screening earlier. The "
            "calculation decides nothing and takes nobody’s invitation away. You may ask to see the data used and the result, "
            "and you may object, without any consequence for your care (art.\u00a0L.\u00a04001-3 of the French public-health code).",
        ),
        funding=common.FUNDING,
        conflicts_of_interest=common.CONFLICTS_OF_INTEREST,
        involvement=common.INVOLVEMENT,
        openness=common.OPENNESS,
        references=Bilingual(
            fr=f"{reference} TRIPOD+AI : BMJ 2024;385:e078378.", en=f"{reference} TRIPOD+AI: BMJ 2024;385:e078378."
        ),
        tests_signed_off=SignOff(
            responsible="Suite de tests automatique / automated test suite", signed_on=date(2026, 11, 25)
        ),
    )


_ORDER = "Arrêté du 16 janvier 2024 relatif aux programmes de dépistages organisés des cancers (NOR TSSP2332083A)."

SCREENING_BREAST = _statement(
    programme=Bilingual(fr="du cancer du sein", en="breast cancer"),
    people=Bilingual(
        fr="une femme de 50 à 74 ans à risque moyen dont la mammographie est due",
        en="a woman aged 50 to 74 at average risk whose mammography is due",
    ),
    context=Bilingual(
        fr="Le programme invite les femmes de 50 à 74 ans à une mammographie tous les deux ans ; un peu moins d’une sur deux y "
        "participe, et une sur dix environ fait une mammographie hors programme. Prédire la seule participation organisée "
        "classerait ces dernières parmi les absentes : tout test enregistré compte ici.",
        en="The programme invites women aged 50 to 74 to a mammography every two years; a little under half take part, and "
        "about one in ten has a mammography outside it. To predict participation in the programme alone would class the "
        "latter as absent: any recorded test counts here.",
    ),
    out_of_scope=Bilingual(
        fr="Antécédent de cancer du sein, mastectomie bilatérale, prédisposition génétique connue, exclusion par le programme, "
        "symptôme récent, test fait dans l’intervalle : le modèle s’abstient. Une lésion ou un symptôme demande un avis, non un "
        "dépistage. Hyperplasie atypique et irradiation thoracique ne sont pas toujours codées : à vérifier.",
        en="Previous breast cancer, bilateral mastectomy, known genetic susceptibility, exclusion by the programme, a recent "
        "symptom, a test within the interval: the model abstains. A lump or symptom calls for advice, not screening. "
        "Atypical hyperplasia and chest irradiation are not always coded: check.",
    ),
    reference=_ORDER,
)

SCREENING_COLORECTAL = _statement(
    programme=Bilingual(fr="du cancer colorectal", en="colorectal cancer"),
    people=Bilingual(
        fr="une personne de 50 à 74 ans à risque moyen dont le test immunologique est dû",
        en="a person aged 50 to 74 at average risk whose faecal test is due",
    ),
    context=Bilingual(
        fr="Le programme propose une recherche de sang dans les selles tous les deux ans de 50 à 74 ans ; environ un tiers des "
        "personnes y participent, et une part importante de celles qui sont à jour le sont par une coloscopie. Tout test "
        "enregistré compte ici. Un médecin qui remet le kit lui-même est ce qui change le plus la participation.",
        en="The programme offers a faecal blood test every two years from 50 to 74; about a third take part, and a large share "
        "of those who are up to date are so by a colonoscopy. Any recorded test counts here. A doctor handing out the kit is "
        "what changes participation most.",
    ),
    out_of_scope=Bilingual(
        fr="Antécédent de cancer ou d’adénome colorectal, maladie inflammatoire de l’intestin, prédisposition génétique, antécédent "
        "familial connu, coloscopie de moins de cinq ans, exclusion par le programme : le modèle s’abstient. Un saignement ou un "
        "symptôme digestif demande un avis, non un dépistage.",
        en="Previous colorectal cancer or adenoma, inflammatory bowel disease, genetic susceptibility, known family history, "
        "colonoscopy within five years, exclusion by the programme: the model abstains. Bleeding or a digestive symptom calls "
        "for advice, not screening.",
    ),
    reference=_ORDER,
)

SCREENING_CERVICAL = _statement(
    programme=Bilingual(fr="du cancer du col de l’utérus", en="cervical cancer"),
    people=Bilingual(
        fr="une femme de 25 à 65 ans dont le test du col est dû", en="a woman aged 25 to 65 whose cervical test is due"
    ),
    context=Bilingual(
        fr="De 25 à 29 ans deux cytologies puis une tous les trois ans, de 30 à 65 ans un test HPV tous les cinq ans ; environ "
        "six femmes sur dix sont à jour. L’échéance dépend de l’âge et du dernier test : elle est calculée du dossier.",
        en="From 25 to 29 two smears and then one every three years, from 30 to 65 an HPV test every five years; about six "
        "women in ten are up to date. When a test is due depends on age and the last test: it is worked out from the record.",
    ),
    out_of_scope=Bilingual(
        fr="Hystérectomie totale, antécédent de cancer ou de lésion traitée du col, lésion en cours de suivi, exclusion par le "
        "programme, test fait dans l’intervalle : le modèle s’abstient. Les résultats des tests ne sont pas lus : une femme "
        "suivie pour un test anormal relève de son suivi. Un saignement anormal demande un avis, non un dépistage.",
        en="Total hysterectomy, previous cervical cancer or treated lesion, a lesion under follow-up, exclusion by the programme, "
        "a test within the interval: the model abstains. What tests found is not read: a woman followed for an abnormal test "
        "belongs to her follow-up. Abnormal bleeding calls for advice, not screening.",
    ),
    reference=f"{_ORDER} HAS 2019, 2025.",
)
